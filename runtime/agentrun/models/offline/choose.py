"""Decides which tools a message asks for: its parts, ranked by BM25 over the tools' names, descriptions and parameters.

Pure. The ranking decides between tools that the message is about (`Entry.is_about`, `Entry.may_be_meant`); what the
text gives to a tool's parameters then counts as much as its words.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import pairwise

import msgspec

from agentrun.engine.bm25 import Index, terms
from agentrun.engine.messages import FunctionTool
from agentrun.models.offline.entry import SEARCH_TOOLS, Entry, brings_tools
from agentrun.models.offline.fill import Filling, Known, fill
from agentrun.models.offline.find import Said
from agentrun.models.offline.place import Part
from agentrun.models.offline.slots import Slot
from agentrun.models.offline.words import ASKS, COMMANDS, FOLLOWS_UP, GREETINGS, STATES

# A text with more parts is a document, not a list of requests.
MAX_PARTS = 12
MAX_CANDIDATES = 6
# A bare value, such as `1042`, can choose a tool too; but not among very many, and not in a long message.
MAX_BARE_TOOLS = 30
MAX_BARE_WORDS = 12

_CUT = re.compile(r"(?<=[.?!;])\s{1,9}|\n|,\s{1,9}|\s(?:and then|and also|and|then|also|plus)\s", re.IGNORECASE)


class Wish(msgspec.Struct, frozen=True):
    """A tool that the message asks for. `by_words` is false where only a value fitted, such as a bare number."""

    tool: FunctionTool
    filling: Filling
    by_words: bool = True


class Toolbox:
    """The tools of a request, indexed once. `system` is the system prompt, which may speak of tools."""

    def __init__(self, tools: Sequence[FunctionTool], system: str) -> None:
        self._entries = [Entry(tool) for tool in tools if tool.name != SEARCH_TOOLS]
        self._system = system
        self._by_name = {entry.tool.name: entry for entry in self._entries}
        self._index = Index([entry.fields for entry in self._entries], weights=(3.0, 1.5, 0.7))

    def wishes(self, said: Said, known: Known, previous: str | None) -> list[Wish]:
        """What the message asks for, in its order. `previous` is the tool that was called last."""
        found = [(part, wish) for part in self._parts(said) if (wish := self._best(part, known))]
        asked = [wish for part, wish in found if not part.is_statement] or [wish for _, wish in found]
        chosen: list[Wish] = []
        for wish in asked:
            if all((wish.tool.name, wish.filling) != (other.tool.name, other.filling) for other in chosen):
                chosen.append(wish)
        other = None if chosen else self._follow_up(said, known, previous) or self._catch_all(said)
        return [other] if other else chosen

    def forced(self, said: Said, known: Known, name: str | None) -> Wish | None:
        """The tool of that name, or the best one, with whatever the text gives."""
        if name is None:
            if wishes := self.wishes(said, known, None):
                return wishes[0]
            part = _whole(said)
            ranked = [self._entries[hit.position] for hit in self._index.rank(part.query)]
            usable = [entry for entry in [*ranked, *self._entries] if not entry.acts or entry.is_ordered(part)]
            name = next((entry.tool.name for entry in usable or self._entries), "")
        return self.fill(name, said, known, forced=True)

    def fill(
        self, name: str, said: Said, known: Known, *, asked: Collection[str] = (), forced: bool = False
    ) -> Wish | None:
        entry = self._by_name.get(name)
        if entry is None:
            return None
        return Wish(entry.tool, fill(entry.slots, entry.place(_whole(said)), known, asked=asked, forced=forced))

    def slots(self, tool: str, names: Collection[str]) -> list[Slot]:
        return [slot for slot in self._by_name[tool].slots if slot.name in names]

    def _parts(self, said: Said) -> list[Part]:
        """The message cut where a new request begins; what asks for nothing stays with its neighbour."""
        cuts = [0, *(match.end() for match in _CUT.finditer(said.plain)), len(said.plain)]
        pieces = [Part(said, start, end) for start, end in pairwise(cuts) if said.plain[start:end].strip()]
        if not 1 < len(pieces) <= MAX_PARTS:
            return [_whole(said)]
        parts: list[Part] = []
        current: str | None = None
        for piece in pieces:
            tool = self._request(piece)
            if parts and (tool is None or current is None or tool == current):
                parts[-1] = Part(said, parts[-1].start, piece.end)
                current = current or tool
            else:
                parts.append(piece)
                current = tool
        return parts

    def _request(self, part: Part) -> str | None:
        """The tool that a piece asks for by itself: by an order, by the tool's name, or as a sentence about it."""
        begins = part.first_word in COMMANDS | ASKS | STATES
        for hit in self._index.rank(part.query):
            entry = self._entries[hit.position]
            if entry.acts and not entry.is_ordered(part):
                continue
            has_name = bool(entry.nouns) and entry.nouns <= part.terms | part.meant
            if entry.acts or has_name or entry.is_named(part) or (begins and entry.is_about(part)):
                return entry.tool.name
        return None

    def _best(self, part: Part, known: Known) -> Wish | None:
        """The tool that a part asks for, or None. Of equal ones, the first in the request's order."""
        scores = {hit.position: hit.score for hit in self._index.rank(part.query)}
        ranked = list(scores)[:MAX_CANDIDATES]
        named = [at for at, entry in enumerate(self._entries) if at not in ranked and entry.is_named(part)]
        about = sorted(at for at in ranked + named if self._entries[at].is_about(part))
        bare = not about and len(part.words) <= MAX_BARE_WORDS and len(part.telling) <= 3
        best: Wish | None = None
        best_score = 0.0
        for at in about or (range(min(len(self._entries), MAX_BARE_TOOLS)) if bare else ()):
            entry = self._entries[at]
            if not entry.may_be_meant(part):
                continue
            filling = self._filled(entry, part, known)
            needed = [slot for slot in entry.slots if slot.required]
            if bare and not any(slot.is_specific and slot.name in filling.sure for slot in needed):
                continue
            given = sum(1.5 if slot.required else 0.4 for slot in entry.slots if slot.name in filling.sure)
            score = scores.get(at, 0.0) + given - 0.6 * len(filling.missing)
            score += 5.0 * entry.is_named(part) + 2.0 * bool(entry.acts)
            if best is None or score > best_score:
                best, best_score = Wish(entry.tool, filling, not bare), score
        if best and part.is_statement and not best.filling.sure and not brings_tools(best.tool.name):
            return None
        return best

    def _filled(self, entry: Entry, part: Part, known: Known) -> Filling:
        """Filled from the part. A word such as `it` may stand for a value in the rest of the message, which is nearer
        than what was talked about before."""
        if part.is_whole:
            return fill(entry.slots, entry.place(part), known)
        whole = fill(entry.slots, entry.place(_whole(part.said)), {})
        nearer = {
            " ".join(slot.terms): tuple(dict.fromkeys(arguments[slot.name] for arguments in whole.arguments))
            for slot in entry.slots
            if slot.name in whole.sure and slot.type not in ("array", "object")
        }
        return fill(entry.slots, entry.place(part), {**known, **nearer})

    def _follow_up(self, said: Said, known: Known, previous: str | None) -> Wish | None:
        """`And in Rome?`: the tool that was called last, with a new value. An act is never repeated so."""
        entry = self._by_name.get(previous or "")
        text = said.plain.strip().lower()
        short = len(said.words) <= 2 and "?" in text
        if entry is None or entry.acts or not (text.startswith(FOLLOWS_UP) or short) or re.search(r"\byou\b", text):
            return None
        wish = self.fill(entry.tool.name, said, known)
        return wish if wish and not wish.filling.missing and any(wish.filling.arguments) else None

    def _catch_all(self, said: Said) -> Wish | None:
        """A tool that takes any question: an agent that the system prompt speaks of, or the one search there is."""
        part = _whole(said)
        if not set(part.telling) - GREETINGS or part.first_word not in ASKS | COMMANDS | {"can", "could"}:
            return None
        for entry in self._entries:
            needed = [slot for slot in entry.slots if slot.required]
            if entry.acts or len(needed) != 1:
                continue
            told = entry.own & frozenset(terms(self._system)) or "delegat" in self._system.lower()
            asks = bool(told) and needed[0].kind == "free" and needed[0].name != "text"
            alone = needed[0].kind == "search" and all(entry.nouns & other.nouns for other in self._entries)
            wish = self.fill(entry.tool.name, said, {}) if asks or alone else None
            if wish and not wish.filling.missing:
                return wish
        return None


def _whole(said: Said) -> Part:
    return Part(said, 0, len(said.plain))
