"""/commands about what happened: the whole of a tool's result, the last run, what goes to the model."""

from __future__ import annotations

from agentrun.cli.slash.command import Command
from agentrun.cli.slash.counting import number_in
from agentrun.cli.slash.rows import room, title
from agentrun.cli.talk.seen import Result
from agentrun.cli.talk.talk import Talk
from agentrun.diagnostics import counted
from agentrun.engine.handoff import PREFIX
from agentrun.errors import UsageError
from agentrun.visible import in_a_line, one_line

_SHOWN = 60  # characters of what is no number


async def _last(talk: Talk, rest: str) -> None:
    back = number_in(rest)
    if back is None:
        raise UsageError(
            f"`/last {one_line(rest, _SHOWN)}` is not known", help="`/last 2` shows the last result but one"
        )
    results = results_of(talk)
    if not results:
        talk.say(f"no tool was called {since(talk)}", "dim")
    elif back > len(results):
        raise UsageError(f"there {'is' if len(results) == 1 else 'are'} only {counted(len(results), 'result')} so far")
    else:
        talk.screen.below(talk.screen.unfold(results[-back]))


def results_of(talk: Talk) -> list[Result]:
    """What tools gave. That a conversation was handed over is no result that anybody looks up."""
    return [one for one in talk.seen.results if one.finished.is_error or not one.finished.name.startswith(PREFIX)]


def since(talk: Talk) -> str:
    """Since when results and runs are known: a copy has the messages of its session, and none of its events."""
    copied_from = None if talk.taken_up is None else talk.taken_up.forked_from
    return f"since this was copied from {in_a_line(copied_from)}" if copied_from else "yet"


async def _trace(talk: Talk, rest: str) -> None:
    from agentrun.observers.spans import spans_of
    from agentrun.observers.waterfall import headline, pieces, waterfall

    # Names are shown, and nothing else of what was said: those too that the model made up.
    found = pieces(spans_of(talk.seen.last_run, content=True))
    if not found:
        talk.say(f"nothing was asked {since(talk)}", "dim")
    for piece in found:
        title(talk, headline(piece))
        lines = waterfall([span for _, span in piece.spans], room(talk), talk.screen.paint)
        talk.screen.below("".join(f"{line}\n" for line in lines))


async def _verbose(talk: Talk, word: str) -> None:
    if word not in ("", "on", "off"):
        raise UsageError(f"`/verbose {word}` is not known", help="`/verbose on`, or off; alone it changes over")
    talk.screen.verbose = word == "on" if word else not talk.screen.verbose
    if talk.screen.verbose:
        talk.say("what goes to the model and from http tools is shown from here on, secrets masked", "dim")
    else:
        talk.say("what goes to the model is not shown any more", "dim")


COMMANDS = (
    Command("last", "[N]", "the last tool result whole, or the Nth from the end", _last),
    Command("trace", "", "the last message as a waterfall of turns and calls", _trace),
    Command(
        "verbose", "[on|off]", "show what goes to the model and comes back", _verbose, words=lambda _: ("on", "off")
    ),
)
