"""The question to the person at the terminal: may this call be made?

It shows the escaped call and the rule that asks, and nothing that the model wrote around it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from agentrun.engine.ports import ApprovalAnswer, ApprovalQuestion
from agentrun.visible import visible

_SHORT_CHARS = 400
_KEYS = "[y]es once, [s]ession: yes for this tool until the end, [n]o, [a]ll arguments, or say why not"


class TerminalApprover:
    """Asks through `read(prompt)`, which gives a line, or None where the input ended."""

    def __init__(self, write: Callable[[str], None], read: Callable[[str], Awaitable[str | None]]) -> None:
        self._write = write
        self._read = read
        self._session: set[str] = set()

    async def ask(self, question: ApprovalQuestion) -> ApprovalAnswer:
        if question.tool in self._session:
            return ApprovalAnswer(True, "user")
        self._show(question, limit=_SHORT_CHARS)
        while True:
            answer = await self._read("allow? [y/s/n/a] ")
            if answer is None:
                return ApprovalAnswer(False, "nobody", "the input ended before an answer")
            match answer.strip().lower():
                case "y" | "yes":
                    return ApprovalAnswer(True, "user")
                case "s" | "session":
                    self._session.add(question.tool)
                    return ApprovalAnswer(True, "user")
                case "n" | "no":
                    return ApprovalAnswer(False, "user", "the user said no")
                case "a" | "all":
                    self._show(question, limit=None)
                case "" | "?" | "h" | "help":
                    self._write(f"  {_KEYS}\n")
                case _:
                    return ApprovalAnswer(False, "user", f"the user said no: {answer.strip()}")

    def _show(self, question: ApprovalQuestion, limit: int | None) -> None:
        arguments = visible(json.dumps(question.arguments, ensure_ascii=False, indent=2))
        if limit is not None and len(arguments) > limit:
            arguments = arguments[:limit] + f"… ({len(arguments):,} characters: [a] shows all)"
        self._write(f"{visible(question.agent)} wants to call {visible(question.tool)} ({question.reason})\n")
        self._write("".join(f"  {line}\n" for line in arguments.split("\n")))
