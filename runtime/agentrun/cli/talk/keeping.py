"""/commands about what is kept of a conversation: sessions, files, tests."""

from __future__ import annotations

from agentrun.cli.talk.command import Command
from agentrun.cli.talk.talk import Talk
from agentrun.cli.turns import interruptible


async def _save_test(talk: Talk, name: str) -> None:
    from agentrun.cli.session_tests import told

    heard = None if talk.heard is None else talk.heard.conversation()
    if heard is None:
        talk.say("nothing was said yet", "error")
        return
    saved = await interruptible(talk.loader.save(heard, name))
    for line in told(saved) if saved is not None else ("interrupted: nothing was saved",):
        talk.say(line, "dim")


COMMANDS = (Command("save-test", "[NAME]", "make a test of the conversation", _save_test),)
