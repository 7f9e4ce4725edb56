"""Test files of recorded conversations: `/save-test` in a chat and `agentrun test --from-session`.

A file is kept only if `agentrun validate` finds no error in it and its cases pass: without models, tools, and the
variables that the project reads. Nothing that is there is written over.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from agentrun.cassettes.cassette import Cassette, Conversation, UserEntry
from agentrun.cassettes.reading import read_cassette
from agentrun.cassettes.writing import text_of
from agentrun.cli.cases.paths import Suite, read_suite, split_case
from agentrun.diagnostics import counted, did_you_mean, one_of
from agentrun.discovery import TEST_ENDING, display, find_root
from agentrun.errors import SpecError, UsageError, reason_of
from agentrun.project import Project
from agentrun.testing.from_session import SessionCase, file_name, file_text, session_case
from agentrun.testing.rehearsal import Rehearsal
from agentrun.testing.runner import Manner, Runner
from agentrun.testing.tapes import Tapes

_CASSETTE = ".cassette.yaml"
_ENDINGS = re.compile(r"(\.cassette)?\.ya?ml$")
_SCHEMA = re.compile(r"# yaml-language-server: \$schema=(\S+)")


class Place(msgspec.Struct, frozen=True):
    """Whose tests are written: a project, with the variables and further tools that its agents were given."""

    root: Path
    environ: Mapping[str, str]
    tools: Sequence[Path] = ()


class Saved(msgspec.Struct, frozen=True):
    """The files that are new, and what is to be said of them."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]
    command: str


async def save_conversation(conversation: Conversation, name: str, place: Place) -> Saved:
    """A cassette and a test in `tests/`, called after `name`, or else after the first message."""
    tests = place.root / "tests"
    chosen = file_name(name.removesuffix(TEST_ENDING))
    test, cassette = _free(tests, chosen) if name else _next_free(tests, conversation)
    rehearsal = Rehearsal(place.root, place.environ, tools=place.tools)
    (case,) = await _rehearsed(rehearsal, [conversation])
    text = file_text([case], cassette.name, tests, _schema_comment(rehearsal.project, test))
    written = {cassette: text_of(Cassette((case.conversation,))), test: text}
    return await _kept(written, test, [case], rehearsal, place)


async def save_recording(source: Path, into: Path | None, place: Place) -> Saved:
    """A test of a cassette: of all its conversations, or of the one that `FILE::NAME` names."""
    path, name = split_case(source)
    chosen = _chosen(path, read_cassette(path).conversations, name)
    rehearsal = Rehearsal(place.root, place.environ, tools=place.tools)
    test = into or place.root / "tests" / f"{file_name(_ENDINGS.sub('', path.name))}{TEST_ENDING}"
    _refuse_place(test, place.root)
    cases = await _rehearsed(rehearsal, chosen)
    text = file_text(cases, _beside(test, path), test.parent, _schema_comment(rehearsal.project, test))
    return await _kept({test: text}, test, cases, rehearsal, place)


def root_for(source: Path, into: Path | None) -> Path:
    """The project of the new file, else that of the current folder, else the cassette's."""
    if into is not None:
        return find_root(into)
    here = find_root(Path.cwd())
    return here if (here / "agents").is_dir() else find_root(split_case(source)[0])


def told(saved: Saved) -> Iterator[str]:
    """What a person is told, line by line."""
    yield f"{' and '.join(map(display, saved.files))} {'is' if len(saved.files) == 1 else 'are'} new"
    yield from saved.notes
    yield f"run it: {saved.command}"


# -- which conversations, and where


def _chosen(path: Path, conversations: Sequence[Conversation], name: str | None) -> list[Conversation]:
    """One that is not alone is found by its name, and one that has a name by that of its case."""
    if not conversations:
        raise UsageError(f"the cassette `{path}` has no conversations")
    named = {one.name: one for one in reversed(conversations) if one.name is not None}
    names = [one for one in (each.name for each in conversations) if one is not None]
    if name is not None:
        if name not in named:
            help = did_you_mean(name, names, f"conversations there: {one_of(names)}" if names else None)
            raise UsageError(f"the cassette `{path}` has no conversation `{name}`", help=help)
        return [named[name]]
    if len(conversations) > 1 and len(named) < len(conversations):
        raise UsageError(
            f"of the {len(conversations)} conversations of `{path}` each needs a name of its own",
            help="write it as `name` of the conversation: the case that plays it is called so too",
        )
    agents = list(dict.fromkeys(one.agent for one in conversations))
    if len(agents) > 1:
        raise UsageError(
            f"the conversations of `{path}` are with {one_of(agents)}, and a test file is of one agent",
            help=f"name one conversation: `{path}::{names[0]}`",
        )
    return list(conversations)


def _free(tests: Path, name: str) -> tuple[Path, Path]:
    """The test and the cassette of a name that somebody chose."""
    test, cassette = tests / f"{name}{TEST_ENDING}", tests / f"{name}{_CASSETTE}"
    for path in (test, cassette):
        if os.path.lexists(path):
            free = _numbered(tests, name)[0].name.removesuffix(TEST_ENDING)
            raise UsageError(f"`{display(path)}` is there already", help=f"another name, such as `{free}`")
    return test, cassette


def _next_free(tests: Path, conversation: Conversation) -> tuple[Path, Path]:
    first = next(one.text for one in conversation.entries if isinstance(one, UserEntry))
    return _numbered(tests, file_name(first))


def _numbered(tests: Path, name: str) -> tuple[Path, Path]:
    number = 1
    while True:
        stem = name if number == 1 else f"{name}-{number}"
        test, cassette = tests / f"{stem}{TEST_ENDING}", tests / f"{stem}{_CASSETTE}"
        if not os.path.lexists(test) and not os.path.lexists(cassette):
            return test, cassette
        number += 1


def _refuse_place(test: Path, root: Path) -> None:
    tests = root / "tests"
    if not test.name.endswith(TEST_ENDING) or not test.resolve().is_relative_to(tests.resolve()):
        raise UsageError(f"`{test}` is no place for a test", help=f"name it `{display(tests)}/NAME{TEST_ENDING}`")
    if os.path.lexists(test):
        free = _numbered(test.parent, test.name.removesuffix(TEST_ENDING))[0]
        raise UsageError(f"`{display(test)}` is there already", help=f"another one: `--into {display(free)}`")


def _schema_comment(project: Project, test: Path) -> str | None:
    """As the project's other tests have it."""
    for document in project.catalog.tests:
        found = _SCHEMA.match(project.sources.get(document.path, ""))
        if found is None:
            continue
        if "://" in found[1]:
            return found[0]
        schema = Path(document.path).absolute().parent / found[1]
        return f"# yaml-language-server: $schema={_beside(test, schema)}"
    return None


def _beside(test: Path, other: Path) -> str:
    """The other file as the test names it."""
    return Path(os.path.relpath(other.resolve(), test.parent.resolve())).as_posix()


# -- what is written


async def _rehearsed(rehearsal: Rehearsal, conversations: Sequence[Conversation]) -> list[SessionCase]:
    if not all(any(isinstance(entry, UserEntry) for entry in one.entries) for one in conversations):
        raise UsageError("no message was recorded")
    try:
        return [session_case(one, await rehearsal.play(one)) for one in conversations]
    finally:
        await rehearsal.close()


async def _kept(
    written: Mapping[Path, str], test: Path, cases: Sequence[SessionCase], rehearsal: Rehearsal, place: Place
) -> Saved:
    """Write the files, and take them back where the test isn't as it must be."""
    new: list[Path] = []
    try:
        for path, text in written.items():
            _write(path, text, new)
        warnings = await _proven(test, rehearsal, place)
    except BaseException:
        for path in new:
            path.unlink(missing_ok=True)
        raise
    required = rehearsal.required_by(cases[0].conversation.agent)
    needed = [f"it needs {', '.join(required)} to be set"] if required else []
    options = [word for folder in place.tools for word in ("--tools", str(folder))]
    command = shlex.join(["agentrun", "test", display(test), *options])
    said = [note for case in cases for note in case.notes]
    return Saved(tuple(sorted(written)), (*said, *needed, *warnings), command)


def _write(path: Path, text: str, new: list[Path]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:  # `x`: never over a file that appeared meanwhile
            new.append(path)
            file.write(text)
    except OSError as error:
        raise UsageError(f"`{display(path)}` can't be written: {reason_of(error)}") from None


async def _proven(test: Path, rehearsal: Rehearsal, place: Place) -> list[str]:
    """Run the new test. What `agentrun validate` warns of."""
    try:
        suite = read_suite([test], rehearsal.environ, tools=place.tools)
    except SpecError as error:
        first = error.report.diagnostics[0]
        raise UsageError(f"no case can be made of it: {first.message}", help=first.help) from None
    done = await Runner(suite.cases, suite.benches, Manner(tapes=Tapes())).run()
    for result in done.results:
        for attempt in result.attempts:
            if attempt.status != "passed":
                why = attempt.failures[0].message if attempt.failures else attempt.error
                raise UsageError(f"no case can be made of it: {why}")
    return list(_warnings(suite, test))


def _warnings(suite: Suite, test: Path) -> Iterator[str]:
    for project in suite.projects:
        documents = [one for one in project.catalog.tests if Path(one.path).resolve() == test.resolve()]
        found = project.report(documents).diagnostics
        if found:
            yield f"`agentrun validate` has {counted(len(found), 'finding')} there, such as: {found[0].message}"
