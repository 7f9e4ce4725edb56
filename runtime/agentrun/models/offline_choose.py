"""Decides which tools a message asks for: its parts, ranked by BM25 over the tools' names, descriptions and parameters.

Pure. Two rules stand above the ranking: a message must really be about a tool (`_is_about`), and a tool that changes
something is chosen only if the message orders that act (`_is_ordered`), never by mere likeness.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

import msgspec

from agentrun.engine.bm25 import Index, stem, terms, words
from agentrun.engine.messages import FunctionTool
from agentrun.models.offline_fill import Filling, Known, fill
from agentrun.models.offline_find import Said
from agentrun.models.offline_slots import Slot, slots_of
from agentrun.models.offline_strings import Place
from agentrun.models.offline_words import (
    ACTS,
    ASKS,
    COMMANDS,
    FOLLOWS_UP,
    GREETINGS,
    MEANS,
    READS,
    STATES,
    STOP,
    TIME_WORDS,
    WEAK,
)

MAX_PARTS = 12
MAX_CANDIDATES = 6
SEARCH_TOOLS = "search_tools"
HANDOFF = "transfer_to_"

_PART = re.compile(r"(?<=[.?!;])\s+|\n+|,\s+|\s+(?:and then|and also|and|then|also|plus)\s+", re.IGNORECASE)
_WISH = re.compile(r"\b(?:want|wants|need|would like|'d like|please|could you|can you|wish)\b", re.IGNORECASE)
_IF = re.compile(r"\b(?:if|unless|whether|in case)\b", re.IGNORECASE)
_FINITE = re.compile(r"\b(?:is|was|are|were|has|have|had|came|got|does|did|\w{3,30}ed|\w{2,10}n['’]t)\b")
_STRONG = frozenset(STOP | TIME_WORDS)


class Wish(msgspec.Struct, frozen=True):
    """A tool that the message asks for. `by_words` is false where only a value fitted, such as a bare number."""

    tool: FunctionTool
    filling: Filling
    by_words: bool = True


class _Entry:
    """A tool with what is compared. `nouns` are the telling words of its name, `acts` the words that order its act."""

    def __init__(self, tool: FunctionTool) -> None:
        self.tool = tool
        self.slots: list[Slot] = slots_of(tool.parameters)
        name = tool.name.removeprefix(HANDOFF)
        spoken = words(name)
        self.own = frozenset(terms(name))
        acting = (
            [] if (spoken and spoken[0] in READS) or name != tool.name else [word for word in spoken if word in ACTS]
        )
        self.acts = frozenset().union(*(ACTS[word][0] for word in acting))
        self.nouns = self.own - WEAK - frozenset(stem(word) for word in READS)
        texts = [text for slot in self.slots for text in (slot.name, slot.description, *map(str, slot.choices))]
        self.fields = (name, tool.description[:2000], " ".join(texts)[:2000])
        self.telling = frozenset(terms(" ".join((*self.fields[:2], *(str(c) for s in self.slots for c in s.choices)))))
        self.described = frozenset(terms(tool.description[:2000])) - frozenset(map(stem, STOP)) | self.own
        # `refund order 7` is an order or a question; only `refund_order` names the tool.
        self.spellings = {tool.name.casefold()} | ({" ".join(spoken)} if len(spoken) > 1 and not self.acts else set())

    def place(self, said: Said, start: int, end: int) -> Place:
        return Place(said, start, end, self.own, self.described)


class Toolbox:
    """The tools of a request, indexed once."""

    def __init__(self, tools: Sequence[FunctionTool], system: str) -> None:
        self.entries = [_Entry(tool) for tool in tools if tool.name != SEARCH_TOOLS]
        self.system = system
        self._by_name = {entry.tool.name: entry for entry in self.entries}
        self._index = Index((entry.fields for entry in self.entries), weights=(3.0, 1.5, 0.7))

    def wishes(self, said: Said, known: Known, previous: str | None) -> list[Wish]:
        """What the message asks for, in its order. `previous` is the tool that was called last."""
        found: list[tuple[int, int, Wish]] = []
        for start, end in self._segments(said):
            wish = self._best(said, start, end, known)
            if wish:
                found.append((start, end, wish))
        asked = [one for one in found if not _states(said, one[0], one[1])] or found
        chosen: list[Wish] = []
        for _, _, wish in asked:
            if all((wish.tool.name, wish.filling) != (other.tool.name, other.filling) for other in chosen):
                chosen.append(wish)
        if chosen:
            return chosen
        followed = self._follow_up(said, known, previous) or self._catch_all(said)
        return [followed] if followed else []

    def forced(self, said: Said, known: Known, name: str | None) -> Wish | None:
        """The tool of that name, or the best one, with whatever the text gives."""
        if name is None:
            calm = [entry for entry in self.entries if not entry.acts or _is_ordered(entry, said, 0, len(said.plain))]
            wishes = self.wishes(said, known, None)
            ranked = [hit.position for hit in self._index.rank(_query(said, 0, len(said.plain)))]
            best = [self.entries[at] for at in ranked if self.entries[at] in calm] or calm or self.entries
            if wishes or not best:
                return wishes[0] if wishes else None
            name = best[0].tool.name
        return self.fill(name, said, known, forced=True)

    def fill(
        self, name: str, said: Said, known: Known, *, asked: Collection[str] = (), forced: bool = False
    ) -> Wish | None:
        entry = self._by_name.get(name)
        if entry is None:
            return None
        place = entry.place(said, 0, len(said.text))
        return Wish(entry.tool, fill(entry.tool.parameters, place, known, asked=asked, forced=forced))

    def acts(self, name: str) -> bool:
        """Whether the tool looks as if it changed something."""
        entry = self._by_name.get(name)
        return entry is None or bool(entry.acts)

    def slot(self, tool: str, name: str) -> Slot:
        return next(slot for slot in self._by_name[tool].slots if slot.name == name)

    def terms_of(self, tool: str) -> frozenset[str]:
        return self._by_name[tool].described if tool in self._by_name else frozenset()

    def _segments(self, said: Said) -> list[tuple[int, int]]:
        """The message cut where a new request begins; what asks for nothing stays with its neighbour."""
        text = said.plain
        cuts = [0, *(match.end() for match in _PART.finditer(text)), len(text)]
        parts = [(start, end) for start, end in pairwise(cuts) if text[start:end].strip()]
        if not 1 < len(parts) <= MAX_PARTS:
            return [(0, len(text))]
        segments: list[tuple[int, int]] = []
        current: str | None = None
        for start, end in parts:
            tool = self._request(said, start, end)
            if segments and (tool is None or current is None or tool == current):
                segments[-1] = (segments[-1][0], end)
                current = current or tool
            else:
                segments.append((start, end))
                current = tool
        return segments

    def _request(self, said: Said, start: int, end: int) -> str | None:
        """The tool that a part of its own asks for, by words alone."""
        first = _first_word(said, start, end)
        begins = first in COMMANDS or first in ASKS or first in STATES
        spoken = frozenset(terms(said.plain[start:end]))
        for hit in self._index.rank(_query(said, start, end)):
            entry = self.entries[hit.position]
            named = bool(entry.nouns) and entry.nouns <= spoken | _meant(spoken)
            if entry.acts and not _is_ordered(entry, said, start, end):
                continue
            if (
                named
                or entry.acts
                or _is_named(entry, said, start, end)
                or (begins and _is_about(entry, said, start, end))
            ):
                return entry.tool.name
        return None

    def _best(self, said: Said, start: int, end: int, known: Known) -> Wish | None:
        ranked = {hit.position: hit.score for hit in self._index.rank(_query(said, start, end))}
        best: Wish | None = None
        best_score = 0.0
        candidates = [at for at, _ in sorted(ranked.items(), key=lambda item: -item[1])][:MAX_CANDIDATES]
        candidates += [
            at for at, entry in enumerate(self.entries) if at not in candidates and _is_named(entry, said, start, end)
        ]
        by_words = [at for at in candidates if _is_about(self.entries[at], said, start, end)]
        # An act that no tool has is not answered with a tool that only looks: `cancel order 7`.
        ordered = stem(first) if (first := _first_word(said, start, end)) in ACTS else ""
        # A bare value, such as `1042`, can choose a tool too; but not among very many, and not in a long message.
        short = len(entry_words(said, start, end)) <= 3 and not by_words
        for at in sorted(by_words) if by_words else range(min(len(self.entries), 30)) if short else ():
            entry = self.entries[at]
            named = _is_named(entry, said, start, end)
            if ordered and not entry.acts and not named and ordered not in entry.own:
                continue
            if entry.acts and not named and not _is_ordered(entry, said, start, end):
                continue
            if named and _is_negated(said.plain[start:end], entry.spellings):
                continue
            filling = self._filled(entry, said, start, end, known)
            needed = {slot.name for slot in entry.slots if slot.required}
            if not by_words and not any(
                entry_slot.is_specific and entry_slot.name in filling.sure
                for entry_slot in entry.slots
                if entry_slot.required
            ):
                continue
            score = ranked.get(at, 0.0) + 0.8 * len(filling.sure & needed) + 0.4 * len(filling.sure - needed)
            score += 5.0 * named + 2.0 * bool(entry.acts) - 0.6 * len(filling.missing) + 1e-9
            if best is None or score > best_score:
                best, best_score = Wish(entry.tool, filling, bool(by_words)), score
        if best and not best.filling.sure and _states(said, start, end):
            return None
        return best

    def _filled(self, entry: _Entry, said: Said, start: int, end: int, known: Known) -> Filling:
        """Filled from the segment; a word such as `it` may stand for a value in the rest of the message, which is
        nearer than what was talked about before."""
        place = entry.place(said, start, end)
        if (start, end) != (0, len(said.plain)):
            whole = fill(entry.tool.parameters, entry.place(said, 0, len(said.text)), {})
            nearer: dict[str, tuple[object, ...]] = {}
            for slot in entry.slots:
                if slot.name in whole.sure:
                    values = dict.fromkeys(
                        arguments[slot.name] for arguments in whole.arguments if _is_plain(arguments[slot.name])
                    )
                    nearer[" ".join(slot.terms)] = tuple(values)
            known = {**known, **nearer}
        return fill(entry.tool.parameters, place, known)

    def _follow_up(self, said: Said, known: Known, previous: str | None) -> Wish | None:
        """`And in Rome?`: the tool that was called last, with a new value."""
        if previous is None or self.acts(previous):
            return None
        text = said.plain.strip().lower()
        short = len(said.words) <= 2 and "?" in text
        if not (text.startswith(FOLLOWS_UP) or short) or re.search(r"\byou\b", text):
            return None
        wish = self.fill(previous, said, known)
        if wish is None or wish.filling.missing or not any(wish.filling.arguments):
            return None
        return wish

    def _catch_all(self, said: Said) -> Wish | None:
        """A tool that takes any question: an agent that the system prompt speaks of, or the one search there is."""
        content = entry_words(said, 0, len(said.plain))
        if not content or all(word in GREETINGS for word in content):
            return None
        for entry in self.entries:
            needed = [slot for slot in entry.slots if slot.required]
            if (
                entry.acts
                or len(needed) != 1
                or _first_word(said, 0, len(said.plain)) not in ASKS | COMMANDS | {"can", "could"}
            ):
                continue
            told = entry.own & frozenset(terms(self.system)) or "delegat" in self.system.lower()
            asks = needed[0].kind == "free" and needed[0].name != "text" and bool(told)
            alone = needed[0].kind == "search" and all(entry.nouns & other.nouns for other in self.entries)
            if asks or alone:
                wish = self.fill(entry.tool.name, said, {})
                if wish and not wish.filling.missing:
                    return wish
        return None


def entry_words(said: Said, start: int, end: int) -> list[str]:
    """The words of a part that carry meaning, in lower case."""
    found = (word.value.lower() for word in said.words if start <= word.start < end)
    return [word for word in found if word not in _STRONG and stem(word) not in WEAK and not word[0].isdigit()]


def _query(said: Said, start: int, end: int) -> Mapping[str, float]:
    query: dict[str, float] = {}
    for spoken in words(said.plain[start:end]):
        term = stem(spoken)
        weight = 0.0 if spoken in _STRONG else 0.3 if term in WEAK else 1.0
        query[term] = max(query.get(term, 0.0), weight)
        for meant in MEANS.get(term, ()):
            query[meant] = max(query.get(meant, 0.0), 0.5 if weight == 1.0 else 0.25)
    return {term: weight for term, weight in query.items() if weight}


def _meant(spoken: frozenset[str]) -> frozenset[str]:
    return frozenset(meant for term in spoken - {"where", "which"} for meant in MEANS.get(term, ()))


def _is_about(entry: _Entry, said: Said, start: int, end: int) -> bool:
    """The message has the name's own words, or a third of its telling words are the tool's."""
    if _is_named(entry, said, start, end):
        return True
    telling = {stem(part) for word in entry_words(said, start, end) for part in words(word)} - WEAK
    if entry.nouns & (telling | _meant(frozenset(telling))):
        return True
    met = [term for term in telling if term in entry.telling or entry.telling & set(MEANS.get(term, ()))]
    return bool(met) and 3 * len(met) >= len(telling)


def _is_named(entry: _Entry, said: Said, start: int, end: int) -> bool:
    text = said.plain[start:end].casefold()
    return any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) for name in entry.spellings)


def _is_ordered(entry: _Entry, said: Said, start: int, end: int) -> bool:
    """Whether the part orders the tool's act: the verb itself, not negated, not in a question, and on no condition."""
    text = said.plain[start:end].lower()
    listed = "|".join(sorted(entry.acts))
    if not listed or _first_word(said, start, end) in ASKS or _is_negated(text, entry.acts) or _IF.search(said.plain):
        return False
    if re.search(rf"(?<![\w-])(?:{listed})(?![\w-])", text):
        return True
    return re.search(rf"\b(?:want|like|need|get)\b.{{0,60}}\b(?:{listed})(?:ed|d|led|ped)\b", text) is not None


def _is_negated(text: str, listed: Collection[str]) -> bool:
    verbs = "|".join(re.escape(word) for word in sorted(listed))
    return (
        re.search(
            rf"(?:\bnot|n[’']t|\bdont|\bnever|\bwithout|\bno)\s+(?:\w{{1,12}}\s+){{0,3}}(?:{verbs})\b", text, re.I
        )
        is not None
    )


def _first_word(said: Said, start: int, end: int) -> str:
    skipped = GREETINGS | {"and", "then", "so", "also", "please", "but", "ok", "okay", "now", "oh", "yes", "no", "well"}
    for word in said.words:
        if start <= word.start < end and word.value.lower() not in skipped:
            return re.sub(r"['’].*", "", word.value.lower())
    return ""


def _states(said: Said, start: int, end: int) -> bool:
    """A statement, not a request: `My order arrived broken.`, but not `the last 3 commits`."""
    text = said.plain[start:end].lower()
    if _first_word(said, start, end) not in STATES or "?" in text or _WISH.search(text):
        return False
    return _first_word(said, start, end) in ("i", "we", "he", "she", "they", "it") or _FINITE.search(text) is not None


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)
