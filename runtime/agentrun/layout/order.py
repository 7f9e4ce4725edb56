"""The order of keys: that of the language's definition, wherever the language defines them.

A key that it doesn't define (`x-*`, `<<`, a misspelt one) follows the key that it stood behind. Data of the author's
own (parameters, headers, settings, a JSON body) keeps its order.
"""

from __future__ import annotations

from functools import cache

from agentrun.layout.gaps import holds_for_next_line, is_blank
from agentrun.layout.tree import Block, Entry
from agentrun.spec.schema import JsonSchema, Kind, branch_for, member_schema, schema_of

# Where reading is easier in another order than that of the definition: each key goes behind the other.
_BEHIND = {"agent": "extends", "url": "base_url", "output": "final", "cases": "judge"}


def arrange(kind: Kind, top: Block) -> None:
    _arrange(kind, top, schema_of(kind), is_pinned=False)


def _arrange(kind: Kind, block: Block, schema: JsonSchema, *, is_pinned: bool) -> None:
    branch = branch_for(kind, schema, {} if block.is_mapping else []) or {}
    for entry in block.entries:
        if not isinstance(entry.value, Block):
            continue
        inside = member_schema(branch, entry.key or "") if block.is_mapping else branch.get("items", {})
        # A comment that silences a finding holds for the line below it: behind a dash, that of the first key.
        pinned = entry.value.is_compact and any(map(holds_for_next_line, entry.leading))
        _arrange(kind, entry.value, inside, is_pinned=pinned)
    names = tuple(branch.get("properties", {}))
    if block.is_mapping and names:
        ordered = _ordered(block.entries, _ranks(names))
        if _can_move(block.entries, ordered) and not (is_pinned and ordered[0] is not block.entries[0]):
            _swap_blank_lines(block.entries[0], ordered[0])
            block.entries = ordered


@cache
def _ranks(names: tuple[str, ...]) -> dict[str, int]:
    ordered = list(names)
    for name, other in _BEHIND.items():
        if name in ordered and other in ordered:
            ordered.remove(name)
            ordered.insert(ordered.index(other) + 1, name)
    return {name: rank for rank, name in enumerate(ordered)}


def _ordered(entries: list[Entry], ranks: dict[str, int]) -> list[Entry]:
    keyed: list[tuple[int, Entry]] = []
    for entry in entries:
        behind = keyed[-1][0] if keyed else -1
        keyed.append((ranks.get(entry.key or "", behind), entry))
    return [entry for _, entry in sorted(keyed, key=lambda pair: pair[0])]


def _can_move(before: list[Entry], after: list[Entry]) -> bool:
    """Whether every alias stays behind its own anchor, and none gets behind another anchor of that name."""
    places = {id(entry): place for place, entry in enumerate(after)}
    last: dict[str, int] = {}  # of what was there before, by name: the last place
    last_anchor: dict[str, int] = {}
    for entry in before:
        place = places[id(entry)]
        anchors = entry.anchors | {"<<"} if entry.key == "<<" else entry.anchors
        if any(place < last.get(name, 0) for name in anchors):
            return False
        if any(place < last_anchor.get(name, 0) for name in entry.aliases):
            return False
        for name in anchors | entry.aliases:
            last[name] = max(last.get(name, 0), place)
        for name in anchors:
            last_anchor[name] = max(last_anchor.get(name, 0), place)
    return True


def _swap_blank_lines(old: Entry, new: Entry) -> None:
    """The entry that is first now has the blank lines of the one that was, and the other way round."""
    if old is not new:
        (old_blanks, old_rest), (new_blanks, new_rest) = _split(old.leading), _split(new.leading)
        old.leading, new.leading = new_blanks + old_rest, old_blanks + new_rest


def _split(leading: list[str]) -> tuple[list[str], list[str]]:
    count = next((number for number, line in enumerate(leading) if not is_blank(line)), len(leading))
    return leading[:count], leading[count:]
