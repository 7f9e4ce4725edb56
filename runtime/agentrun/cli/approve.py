"""The question to the person at the terminal: may this call be made?

It shows the escaped call, what it does and the rule that asks, and nothing that the model wrote around it; of a tool
that is another one by now, also what its server says of it. Only a known key answers: a stray word neither approves nor
refuses. Which rule an `always` adds, and where, is `grant.py`'s; what a server asks is `elicit/`'s.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator

from agentrun.cli.grant import Propose
from agentrun.cli.permit import NoRule
from agentrun.cli.who import who_asks
from agentrun.engine.ports import ApprovalAnswer, ApprovalQuestion, ElicitationAnswer, ElicitationQuestion
from agentrun.visible import one_line, visible

# What a person said yes to for the session: an agent's calls of a tool, as far as this rule asks about them.
Grant = tuple[str, str, int | None]

_LINE_CHARS = 200
_LINES = 24  # of all arguments together, unless the person wants to see them all
_WIDE = 100  # columns from which on the keys are told in more words
_REASON_CHARS = 1000
_QUOTED = "  ┊ "  # stands before each row of what a server says: no line of agentrun's own begins so


class TerminalApprover:
    """Asks through `read(prompt)`, which gives a line, or None where the input ended."""

    def __init__(
        self,
        write: Callable[[str], None],
        read: Callable[[str], Awaitable[str | None]],
        propose: Propose,
        columns: Callable[[], int],
        action: Callable[[ApprovalQuestion], str] = lambda _: "",
    ) -> None:
        """`action` tells what the call does as the files have it."""
        self._write = write
        self._read = read
        self._propose = propose
        self._columns = columns
        self._action = action
        self._session: set[Grant] = set()

    def granted(self, which: Callable[[Grant], bool] = lambda _: True) -> list[Grant]:
        """What was said yes to for the session."""
        return sorted((one for one in self._session if which(one)), key=lambda one: (*one[:2], one[2] or 0))

    def forget(self, which: Callable[[Grant], bool] = lambda _: True) -> int:
        """Asks about it again. How many there were."""
        forgotten = self.granted(which)
        self._session.difference_update(forgotten)
        return len(forgotten)

    async def ask(self, question: ApprovalQuestion) -> ApprovalAnswer:
        if _grant(question) in self._session and not question.unclear:
            return ApprovalAnswer(True, "user")
        self._show(question, whole=False)
        while (typed := await self._read("allow? ")) is not None:
            word, rest = [*typed.split(maxsplit=1), "", ""][:2]
            answer = await self._obey(word.lower(), rest.strip(), question)
            if answer is not None:
                return answer
        return ApprovalAnswer(False, "nobody", "the input ended before an answer")

    async def elicit(self, question: ElicitationQuestion) -> ElicitationAnswer:
        from agentrun.cli.elicit.asking import Asking

        return await Asking(self._rows, self._quote, self._read).answer(question)

    async def _obey(self, word: str, rest: str, question: ApprovalQuestion) -> ApprovalAnswer | None:
        match word, rest:
            case "y" | "yes" | "once", "":
                return ApprovalAnswer(True, "user")
            case "s" | "session" | "a" | "always", "" if question.unclear:
                self._say(_WHY_EACH_TIME if question.description is None else _WHY_FIRST)
            case "s" | "session", "":
                return self._from_now_on(question)
            case "a" | "always", "":
                return self._from_now_on(question) if await self._added_rule(question) else None
            case "n" | "no", _:
                return _no(rest)
            case "m" | "message", _:
                return _no(rest or await self._read("message: ") or "")
            case "v" | "view", "":
                self._show(question, whole=True)
            case "?" | "help", "":
                self._explain(question)
            case _:
                self._say(f"that is no answer: {_keys_of(question)} or ?")
        return None

    def _from_now_on(self, question: ApprovalQuestion) -> ApprovalAnswer:
        self._session.add(_grant(question))
        return ApprovalAnswer(True, "user")

    # -- always

    async def _added_rule(self, question: ApprovalQuestion) -> bool:
        """Show the rule that would answer for good; write it where the person says so."""
        try:
            offer = self._propose(question)
            self._say(f"this goes into {offer.file}:")
            self._rows("    permissions:")
            self._rows(f"      - {offer.rule.text}")
            for remark in offer.remarks:
                self._say(remark)
            if (await self._read("write it? [y/n] ") or "").strip().lower() not in ("y", "yes"):
                self._say("nothing was written")
                return False
            offer.write()
        except NoRule as reason:
            self._say(f"nothing was written: {reason}")
            return False
        self._say("written")
        return True

    # -- what is shown

    def _show(self, question: ApprovalQuestion, *, whole: bool) -> None:
        call = f"{who_asks(question.agent, question.callers)} wants to call {one_line(question.tool, 64)}"
        reason = f"({_brief(question.reason, whole=whole)})"
        if len(call) + len(reason) < self._columns():
            self._rows(f"{call} {reason}")
        else:
            self._rows(call)
            self._rows(f"  {reason}")
        if action := _brief(self._action(question), whole=whole):
            self._rows(f"  {action}")
        if question.description is not None:
            self._rows(
                "  this is how its server describes it now:" if question.description else "  it has no description"
            )
            self._quote(question.description, whole=whole)
        for line in _arguments(question, whole=whole):
            self._rows(f"  {visible(line)}")
        self._rows(f"  {_keys(question, wide=self._columns() >= _WIDE)}")

    def _explain(self, question: ApprovalQuestion) -> None:
        agent, tool = one_line(question.agent, 64), one_line(question.tool, 64)
        self._rows("  y, yes      make this call")
        if not question.unclear:
            self._rows(
                f"  s, session  make it, and ask no more about {tool} of {agent} for this reason until you leave"
            )
            self._rows("  a, always   the same, and add a rule to its file, which is shown first")
        self._rows("  n, no       refuse; `n TEXT` also tells the model why")
        self._rows("  m, message  refuse, and ask what to tell the model")
        self._rows("  v, view     show all arguments")

    def _quote(self, text: str, *, whole: bool = True) -> None:
        """What a server says, each row marked."""
        shown = text if whole or len(text) <= _REASON_CHARS else text[:_REASON_CHARS]
        for line in visible(shown).split("\n") if shown else ():
            for row in _fitted(line.replace("\t", "    "), max(8, self._columns() - 1 - len(_QUOTED))):
                self._write(f"{_QUOTED}{row}\n")
        if len(shown) < len(text):
            self._rows(f"  … {len(text) - len(shown):,} more characters: v shows all")

    def _say(self, text: str) -> None:
        self._rows(f"  {one_line(text, _REASON_CHARS)}")

    def _rows(self, line: str) -> None:
        """A line in rows that fit. Each row is indented, so that no text can pass for a line of the question."""
        self._write("".join(f"{row}\n" for row in _fitted(line, self._columns() - 1)))


_WHY_EACH_TIME = "it asks because a condition could not be evaluated: that is answered call by call"
_WHY_FIRST = (
    "it asks because the tool was changed: y approves it as it is now, and the next call is asked about as before"
)


def _grant(question: ApprovalQuestion) -> Grant:
    return question.agent, question.tool, question.rule


def _brief(text: str, *, whole: bool) -> str:
    """On one line, and not longer than what can be looked over, unless the person wants to see it all."""
    line = visible(" ".join(text.split()))
    hidden = 0 if whole else len(line) - _REASON_CHARS
    return line if hidden <= 0 else f"{line[:_REASON_CHARS]} … {hidden:,} more characters: v shows all"


def _no(message: str) -> ApprovalAnswer:
    message = message.strip()
    return ApprovalAnswer(False, "user", f"the user said no: {message}" if message else "the user said no")


def _keys_of(question: ApprovalQuestion) -> str:
    return "y, n, m, v" if question.unclear else "y, s, a, n, m, v"


def _keys(question: ApprovalQuestion, *, wide: bool) -> str:
    if wide:
        longer = "" if question.unclear else "s this session · a always · "
        return f"y once · {longer}n no · m no, with a message · v view all arguments · ? help"
    longer = "" if question.unclear else "s session, a always, "
    return f"y once, {longer}n no, m message, v view, ?"


def _arguments(question: ApprovalQuestion, *, whole: bool) -> Iterator[str]:
    """The arguments as JSON. Each has its share of the lines, so that a long one hides no other."""
    items = list(question.arguments.items())
    if not items:
        yield "{}"
        return
    yield "{"
    for number, (name, value) in enumerate(items if whole else items[:_LINES], start=1):
        text = json.dumps({name: value}, ensure_ascii=False, indent=2)[2:-2]
        lines = text.split("\n")
        lines[-1] += "," if number < len(items) else ""
        yield from lines if whole else _cut(lines, max(1, _LINES // len(items)))
    if not whole and len(items) > _LINES:
        hidden = sum(len(name) + len(json.dumps(value, ensure_ascii=False)) for name, value in items[_LINES:])
        yield f"  … {len(items) - _LINES:,} more arguments, {hidden:,} characters: v shows all"
    yield "}"


def _cut(lines: list[str], most: int) -> Iterator[str]:
    for line in lines[:most]:
        yield line[:_LINE_CHARS]
        if len(line) > _LINE_CHARS:
            yield f"    … {len(line) - _LINE_CHARS:,} more characters of this text: v shows all"
    if len(lines) > most:
        hidden = sum(len(line.strip()) for line in lines[most:])
        yield f"    … {len(lines) - most:,} more lines of this argument, {hidden:,} characters: v shows all"


def _fitted(line: str, columns: int) -> Iterator[str]:
    """Rows of a line, broken after a space where one stands late enough in the row, and indented from the second on."""
    from prompt_toolkit.utils import get_cwidth

    indent = " " * min(len(line) - len(line.lstrip(" ")) + 2, columns // 2)
    row, width = "", 0
    for char in line:
        if width + get_cwidth(char) > columns > len(indent) + 1:
            cut = row.rfind(" ") + 1
            cut = cut if cut > max(len(row) // 2, len(indent)) else len(row)
            yield row[:cut]
            row = indent + row[cut:]
            width = get_cwidth(row)
        row += char
        width += get_cwidth(char)
    yield row
