"""How well and how fast the tools are found that a question needs, among thousands: `python -m benchmarks.tool_search`.

The questions and functions are those of the Berkeley Function-Calling Leaderboard (Apache-2.0), as the package
`bfcl-eval` carries them: its single-turn categories, each question with the functions that answer it. It is fetched
with pip, or given with `--data`.

All functions make one catalogue. Several authors wrote variants of one function under one name; an agent can have a
name once, so the first one seen stands for them, and a question counts as answered by the name. Functions of other
names that would do as well, of which there are many, count as wrong: what is reported is the least that was found.
Some questions are in languages that no description is in; they stay in.

The weights were chosen on one half of the questions, and what is reported is of the other half. Both halves ask for
the same functions in other words, so it says nothing of other catalogues.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentrun.engine.agent import BoundTool, Problem
from agentrun.engine.bm25 import Index, terms, words
from agentrun.engine.context import tokens_of_tools
from agentrun.engine.messages import FunctionTool, ToolList, user
from agentrun.engine.ports import CallContext, ToolResult
from agentrun.engine.tool_index import ToolIndex, fields
from agentrun.engine.tool_search import Carried

PACKAGE = "bfcl-eval==2026.3.23"
REFERENCE = "rank-bm25==0.2.2"
MAX_TOOLS = 20
DEPTHS = (1, 5, 10, 20, 50)
ASKED = (
    "simple_python", "simple_java", "simple_javascript", "multiple", "parallel", "parallel_multiple",
    "live_simple", "live_multiple", "live_parallel", "live_parallel_multiple",
)  # fmt: skip
UNANSWERED = ("irrelevance", "live_irrelevance", "live_relevance")  # their functions only fill the catalogue
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": None}

Ranker = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Question:
    id: str
    category: str
    text: str
    needed: frozenset[str]

    @property
    def is_reported(self) -> bool:
        return zlib.crc32(self.id.encode()) % 2 == 1


@dataclass
class Columns:
    """One table of figures: no samples, since nothing but the times differs from run to run."""

    key: str
    title: str
    columns: Sequence[str]
    rows: dict[str, Sequence[float]] = field(default_factory=dict)

    def as_data(self) -> list[dict[str, Any]]:
        return [
            {"measure": self.key, "unit": column, "row": row, "median": value, "low": value, "high": value}
            | {"samples": [value], "ratios": {}}
            for row, values in self.rows.items()
            for column, value in zip(self.columns, values, strict=True)
        ]

    def as_markdown(self) -> str:
        lines = [f"### {self.title}", "", f"| | {' | '.join(self.columns)} |", f"|---|{'---:|' * len(self.columns)}"]
        for row, values in self.rows.items():
            lines.append(f"| {row} | {' | '.join(map(_figure, values))} |")
        return "\n".join(lines)


def _figure(value: float) -> str:
    if value >= 100 or value == int(value) > 1:
        return f"{value:,.0f}"
    return f"{value:.3f}" if value <= 1 else f"{value:.3g}"


def measure(data: Path | None, *, reference: bool = True) -> list[Columns]:
    """`data` is the wheel; None: pip fetches it. `reference`: pip fetches another implementation to compare with."""
    with tempfile.TemporaryDirectory() as folder:
        catalogue, questions = read(data or fetched(Path(folder)))
        rankers = _rankers(catalogue, Path(folder) if reference else None)
        reported = [one for one in questions if one.is_reported]
        return [
            _recall(rankers, catalogue, reported),
            _by_category(rankers["agentrun"], reported),
            _requests(catalogue, reported),
            _times(catalogue, reported),
        ]


def fetched(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


# -- the data


def read(wheel: Path) -> tuple[list[FunctionTool], list[Question]]:
    functions: dict[str, FunctionTool] = {}
    questions: list[Question] = []
    with zipfile.ZipFile(wheel) as archive:
        for category in (*ASKED, *UNANSWERED):
            entries = list(_lines(archive, f"BFCL_v4_{category}.json"))
            for written in (one for entry in entries for one in entry["function"]):
                functions.setdefault(_name(written["name"]), _function(written))
            if category in ASKED:
                answers = {one["id"]: one for one in _lines(archive, f"possible_answer/BFCL_v4_{category}.json")}
                questions += [_question(one, category, answers[one["id"]]) for one in entries]
    return list(functions.values()), questions


def _lines(archive: zipfile.ZipFile, name: str) -> Iterator[dict[str, Any]]:
    for line in archive.read(f"bfcl_eval/data/{name}").decode().splitlines():
        if line.strip():
            yield json.loads(line)


def _question(entry: dict[str, Any], category: str, answer: dict[str, Any]) -> Question:
    said = [one["content"] for one in entry["question"][0] if one["role"] == "user"]
    needed = frozenset(_name(name) for call in answer["ground_truth"] for name in call)
    return Question(entry["id"], category, said[-1], needed)


def _function(written: dict[str, Any]) -> FunctionTool:
    return FunctionTool(_name(written["name"]), written.get("description", ""), _schema(written["parameters"]))


def _name(written: str) -> str:
    """As services take it."""
    return "".join(one if one.isascii() and (one.isalnum() or one in "_-") else "_" for one in written)[:64]


def _schema(value: Any) -> Any:
    """JSON Schema of what is written with Python's names of types."""
    if isinstance(value, list):
        return [_schema(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: _schema(one) for key, one in value.items()}
    kind = made.get("type")
    if isinstance(kind, str) and kind in _TYPES:
        del made["type"]
        if _TYPES[kind]:
            made["type"] = _TYPES[kind]
    return made


# -- what ranks


def _rankers(catalogue: Sequence[FunctionTool], folder: Path | None) -> dict[str, Ranker]:
    names = [one.name for one in catalogue]
    index = ToolIndex(catalogue)
    whole = [" ".join(fields(one)) for one in catalogue]
    single = Index([(text,) for text in whole], (1.0,))
    rankers: dict[str, Ranker] = {
        "agentrun": index.find,
        "BM25 of one field, the same stems": lambda text: [names[hit.position] for hit in single.rank(terms(text))],
    }
    okapi = _okapi(folder) if folder else None
    if okapi is not None:
        plain, stemmed = okapi([words(text) for text in whole]), okapi([terms(text) for text in whole])

        def by(model: Any, split: Callable[[str], list[str]]) -> Ranker:
            def rank(text: str) -> list[str]:
                scores = model.get_scores(split(text))
                return [names[at] for at in sorted(range(len(names)), key=lambda at: -scores[at]) if scores[at] > 0]

            return rank

        rankers["rank_bm25, lower-case words"] = by(plain, words)
        rankers["rank_bm25, the same stems"] = by(stemmed, terms)
    return rankers


def _okapi(folder: Path) -> Any:
    """`rank_bm25.BM25Okapi`, from a folder of its own; None where pip can't have it."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder / "reference"), REFERENCE]
    if subprocess.run(command, check=False).returncode:
        print(f"left out: {REFERENCE} can't be installed", file=sys.stderr)
        return None
    sys.path.append(str(folder / "reference"))
    from rank_bm25 import BM25Okapi  # type: ignore[import-not-found]

    return BM25Okapi


# -- what is measured


def _recall(rankers: dict[str, Ranker], catalogue: Sequence[FunctionTool], questions: Sequence[Question]) -> Columns:
    title = f"Tools found, of {len(catalogue):,}: share of those that {len(questions):,} questions need"
    table = Columns("tool_search_recall", title, (*(f"among {one}" for one in DEPTHS), "MRR"))
    for name, rank in rankers.items():
        places = [_places(rank(one.text), one) for one in questions]
        table.rows[name] = (
            *(statistics.fmean(_share(own, depth) for own in places) for depth in DEPTHS),
            statistics.fmean(1 / (own[0] + 1) for own in places),
        )
    return table


def _by_category(rank: Ranker, questions: Sequence[Question]) -> Columns:
    table = Columns("tool_search_categories", "The same by category, agentrun", ("questions", "among 5", "among 20"))
    for category in ASKED:
        places = [_places(rank(one.text), one) for one in questions if one.category == category]
        if not places:
            continue
        shares = (statistics.fmean(_share(own, depth) for own in places) for depth in (5, 20))
        table.rows[category] = (len(places), *shares)
    return table


def _places(ranked: Sequence[str], question: Question) -> list[float]:
    at = {name: place for place, name in enumerate(ranked)}
    return sorted(at.get(name, float("inf")) for name in question.needed)


def _share(places: Sequence[float], depth: int) -> float:
    return sum(place < depth for place in places) / len(places)


def _requests(catalogue: Sequence[FunctionTool], questions: Sequence[Question]) -> Columns:
    """What a first request really carries, and what a search brings then: by the question once more, and by the words
    of the name of each function that was missed. No model knows that name: it is the most that a search can bring."""
    title = f"The first request of each question with `max_tools: {MAX_TOOLS}`"
    table = Columns("tool_search_requests", title, ("needed tools carried", "all of a question's", "tokens of tools"))
    whole = tokens_of_tools(ToolList(catalogue))
    table.rows["all tools"] = (1.0, 1.0, whole)
    functions = _bound(catalogue)
    first, again, named, tokens = [], [], [], []
    for question in questions:
        carried = Carried(functions, (), MAX_TOOLS)
        tools = carried.tools([user(question.text)])
        has = frozenset(carried.names)
        tokens.append(tokens_of_tools(tools))
        first.append(_have(question, has))
        again.append(_have(question, has | _searched(carried, [question.text])))
        missed = [" ".join(words(name)) for name in sorted(question.needed - has)]
        carried = Carried(functions, (), MAX_TOOLS)
        carried.tools([user(question.text)])
        named.append(_have(question, has | _searched(carried, missed)))
    mean = statistics.fmean(tokens)
    for row, shares in (
        ("carried", first),
        ("after a search by the question", again),
        ("or one by the name, at best", named),
    ):
        table.rows[row] = (statistics.fmean(shares), statistics.fmean(one == 1 for one in shares), mean)
    return table


def _searched(carried: Carried, queries: Sequence[str]) -> frozenset[str]:
    """What the next request carries after these calls of `search_tools`."""
    for query in queries:
        asyncio.run(carried.call({"query": query}))
    carried.tools([])
    return frozenset(carried.names)


def _have(question: Question, names: Iterable[str]) -> float:
    return len(question.needed.intersection(names)) / len(question.needed)


def _times(catalogue: Sequence[FunctionTool], questions: Sequence[Question]) -> Columns:
    columns = ("index, ms", "median, ms", "95 of 100, ms", "longest, ms")
    table = Columns("tool_search_times", "Time: the index, once, and the search for a message", columns)
    for count in (1000, len(catalogue)):
        began = time.perf_counter()
        ToolIndex(catalogue[:count])
        built = time.perf_counter() - began
        functions = _bound(catalogue[:count])
        Carried(functions, (), MAX_TOOLS)  # the index is kept
        taken = []
        for question in questions:
            began = time.perf_counter()
            carried = Carried(functions, (), MAX_TOOLS)
            carried.tools([user(question.text)])
            taken.append((time.perf_counter() - began) * 1000)
        taken.sort()
        table.rows[f"{count:,} tools"] = (
            built * 1000,
            statistics.median(taken),
            taken[len(taken) * 95 // 100],
            taken[-1],
        )
    return table


class _Idle:
    """The check and the backend of tools that nobody calls here."""

    def violations(self, value: Any) -> Sequence[Problem]:
        return ()

    def with_defaults(self, value: Any) -> Any:
        return value

    async def call(self, arguments: dict[str, Any], context: CallContext) -> ToolResult:
        return ToolResult(None, {})


def _bound(catalogue: Sequence[FunctionTool]) -> dict[str, BoundTool]:
    idle = _Idle()
    return {one.name: BoundTool(one, idle, idle) for one in catalogue}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tool_search", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, metavar="FILE.whl", help=f"the wheel of {PACKAGE}; else pip fetches it")
    parser.add_argument("--no-reference", action="store_true", help="without rank_bm25, which pip fetches")
    options = parser.parse_args(arguments)
    print("\n\n".join(one.as_markdown() for one in measure(options.data, reference=not options.no_reference)))


if __name__ == "__main__":
    main()
