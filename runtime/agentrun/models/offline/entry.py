"""One tool as the rules compare it with a message: its words, the acts it performs, and whether the message means it.

Pure. A tool that changes something is meant only by an order to do so (`is_ordered`), never by mere likeness.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from agentrun.engine.bm25 import stem, terms, words
from agentrun.engine.messages import FunctionTool
from agentrun.models.offline.place import Part, Place
from agentrun.models.offline.slots import slots_of
from agentrun.models.offline.words import ACTS, ASKS, MEANS, READS, STOP_STEMS, WEAK

# Names that agentrun reserves: these tools bring others, or another agent, and no answer.
SEARCH_TOOLS = "search_tools"
HANDOFF = "transfer_to_"
MAX_CHARS = 2000

_READS = frozenset(map(stem, READS))
_IF = re.compile(r"\b(?:if|unless|whether|in case)\b", re.IGNORECASE)


def brings_tools(name: str) -> bool:
    return name == SEARCH_TOOLS or name.startswith(HANDOFF)


class Entry:
    """`nouns` are the telling words of the tool's name, `acts` the words that order what it does."""

    def __init__(self, tool: FunctionTool) -> None:
        self.tool = tool
        self.slots = slots_of(tool.parameters)
        name = tool.name.removeprefix(HANDOFF)
        spoken = words(name)
        self.own = frozenset(terms(name))
        reads = brings_tools(tool.name) or (spoken and spoken[0] in READS)
        self.acts = frozenset[str]().union(*(ACTS[word][0] for word in spoken if word in ACTS and not reads))
        self.nouns = self.own - WEAK or self.own - _READS
        choices = " ".join(str(choice) for slot in self.slots for choice in slot.choices)
        described = " ".join(f"{slot.name} {slot.description}" for slot in self.slots)
        self.fields = (name, tool.description[:MAX_CHARS], f"{choices} {described}"[:MAX_CHARS])
        self.described = self.own.union(terms(self.fields[1])) - STOP_STEMS
        self._telling = self.described.union(terms(choices[:MAX_CHARS]))
        # `refund order 7` is an order or a question; only `refund_order` names the tool.
        self._spellings = {tool.name.casefold()} | ({" ".join(spoken)} if len(spoken) > 1 and not self.acts else set())

    def place(self, part: Part) -> Place:
        return Place(part.said, part.start, part.end, self.own, self.described)

    def is_named(self, part: Part) -> bool:
        return any(
            re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", part.text) for name in self._spellings
        ) and not _negated(part.text, self._spellings)

    def is_about(self, part: Part) -> bool:
        """The part has the name's own words, or a third of its telling words are the tool's."""
        if self.is_named(part) or self.nouns & (part.terms | part.meant):
            return True
        telling = {stem(piece) for word in part.telling for piece in words(word)} - WEAK
        met = [term for term in telling if term in self._telling or self._telling & set(MEANS.get(term, ()))]
        return bool(met) and 3 * len(met) >= len(telling)

    def is_ordered(self, part: Part) -> bool:
        """Whether the part orders the act: the verb itself, not negated, not in a question, and on no condition."""
        if not self.acts or part.first_word in ASKS or _IF.search(part.said.plain[: part.end]):
            return False
        if _negated(part.text, self.acts):
            return False
        verbs = "|".join(sorted(self.acts))
        ordered = re.search(rf"(?<![\w-])(?:{verbs})(?![\w-])", part.text)
        wished = re.search(rf"\b(?:want|like|need|get)\b.{{0,60}}\b(?:{verbs})(?:ed|d|led|ped)\b", part.text)
        return bool(ordered or wished)

    def may_be_meant(self, part: Part) -> bool:
        """Not an act that nobody ordered; and an act that no tool has, such as `cancel order 7`, is not answered
        with a tool that only looks."""
        if self.is_named(part):
            return True
        if self.acts:
            return self.is_ordered(part)
        return part.first_word not in ACTS or stem(part.first_word) in self.own


def _negated(text: str, listed: Collection[str]) -> bool:
    verbs = "|".join(re.escape(word) for word in sorted(listed))
    denial = r"(?:\bnot|n[’']t|\bdont|\bnever|\bwithout|\bno)\s{1,9}(?:\w{1,12}\s{1,9}){0,3}"
    return re.search(rf"{denial}(?:{verbs})\b", text, re.IGNORECASE) is not None
