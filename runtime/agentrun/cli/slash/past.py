"""/commands that change what was said: forget it, take it back, say it again, shorten it."""

from __future__ import annotations

from agentrun.cli.prompt.reader import Interrupted
from agentrun.cli.slash.attaching import at_the_prompt
from agentrun.cli.slash.command import Command, Draft, Next, Send
from agentrun.cli.slash.counting import number_in
from agentrun.cli.talk.taking_back import TakenBack, last_said, measure, take_back
from agentrun.cli.talk.talk import Talk
from agentrun.cli.turns import interruptible
from agentrun.diagnostics import counted, one_of
from agentrun.engine.attached import described, files_in
from agentrun.engine.compaction import Compaction, compact, what_goes
from agentrun.engine.exchanges import attachments_of, text_of
from agentrun.errors import UsageError
from agentrun.visible import one_line

_SHOWN = 60  # characters of a message


async def _clear(talk: Talk, rest: str) -> None:
    before = talk.kept_as
    talk.begin_anew()
    kept = f"; the one before is kept: /resume {before}" if before else ""
    talk.say(f"a new conversation{kept}", "dim")


async def _undo(talk: Talk, rest: str) -> None:
    exchanges = number_in(rest)
    if exchanges is None:
        raise UsageError(f"`{one_line(rest, _SHOWN)}` is no number of messages", help="`/undo 2` undoes the last two")
    if talk.unanswered is not None and not rest:
        talk.say(f"{_begun(talk, talk.unanswered.text)} was taken back already", "dim")
        talk.unanswered = None
        talk.attached.clear()
        return
    taken = take_back(talk, exchanges)
    talk.say(f"undone: {_quoted(talk, taken)}", "dim")
    _tell_what_stays(talk, taken)


async def _retry(talk: Talk, rest: str) -> Next:
    unanswered = talk.unanswered
    return _again(talk, text_of(last_said(talk)) if unanswered is None else unanswered.text, "again")


async def _edit(talk: Talk, rest: str) -> Next:
    if rest:
        return _again(talk, rest, "instead of")
    if not talk.interactive:
        raise UsageError("without a terminal there is no prompt to edit at", help="write the new text: `/edit TEXT`")
    if talk.unanswered is not None:
        return Draft(talk.unanswered.text)  # its files wait already
    taken = take_back(talk)
    talk.say(f"undone: {_quoted(talk, taken)}; it stands at the prompt", "dim")
    _tell_what_stays(talk, taken)
    return at_the_prompt(talk, text_of(taken.said), attachments_of(taken.said))


def _again(talk: Talk, text: str, told: str) -> Send:
    if not text.strip():
        raise UsageError("the last message has no text to say again")
    if talk.unanswered is not None:  # it left the conversation
        talk.say(f"{told}: {_begun(talk, talk.unanswered.text)}", "dim")
        talk.attached.clear()
        return Send(text, talk.unanswered.attachments)
    taken = take_back(talk)
    talk.say(f"{told}: {_quoted(talk, taken)}", "dim")
    _tell_what_stays(talk, taken)
    return Send(text, attachments_of(taken.said))


def _quoted(talk: Talk, taken: TakenBack) -> str:
    quoted = _begun(talk, text_of(taken.said))
    if files := files_in(attachments_of(taken.said)):
        quoted += f" with {one_of(map(described, files))}"
    more = taken.exchanges - 1
    return f"{quoted} and the {counted(more, 'message')} after it" if more else quoted


def _begun(talk: Talk, text: str) -> str:
    """The beginning of a message, in quotes."""
    return f"“{one_line(talk.agent.mask.text(text), _SHOWN)}”"


def _tell_what_stays(talk: Talk, taken: TakenBack) -> None:
    if taken.returned is not None:
        talk.say(f"{taken.returned} has the conversation again", "dim")
    if taken.calls:
        talk.say(f"what tools did is not undone: {one_of(taken.calls)}", "warning")
    if taken.summary_left:
        talk.say("the summary of what was said before it stays; /clear begins a new conversation", "dim")


async def _compact(talk: Talk, wish: str) -> None:
    if not talk.messages:
        raise UsageError("nothing was said yet")
    what_goes(talk.messages)

    async def summed_up() -> Compaction:
        talk.say("summing up…", "dim")  # from here on Ctrl-C ends it
        return await compact(talk.agent, talk.messages, wish=wish, emit=talk.watch, journal=talk.taping.journal)

    try:
        async with talk.screen.turn():
            done = await interruptible(summed_up())
    finally:
        talk.taping.save()
    if done is None:
        talk.say("interrupted: the conversation stays as it is", "dim")
        if not talk.interactive:
            raise Interrupted  # who ends a script means all of it
        return
    if talk.heard is not None:
        talk.heard.changed("the conversation was shortened by /compact")
    measure(talk)
    talk.keeper.sync()
    talk.say(_told(done), "dim")


def _told(done: Compaction) -> str:
    told = f"{counted(done.dropped_messages, 'message')} became a summary: about {done.tokens_before:,} tokens before, "
    told += f"{done.tokens_after:,} now"
    if done.usage is not None:
        told += f"; it took {done.usage.total_tokens:,} tokens"
    return told if done.cost_usd is None else f"{told}, ${done.cost_usd:.4f}"


COMMANDS = (
    Command("clear", "", "forget the conversation and begin a new one", _clear, aliases=("reset",)),
    Command("undo", "[N]", "take the last exchange back, or the last N", _undo),
    Command("retry", "", "say the last message again", _retry),
    Command("edit", "[TEXT]", "change the last message and say it again", _edit),
    Command("compact", "[NOTE]", "sum up what was said, to free context; NOTE is what to keep", _compact),
)
