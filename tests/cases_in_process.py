"""Test cases run in this process: a project as texts, its cases, and what came of each by its name."""

import asyncio
import os
from pathlib import Path

from agentrun.project import read_project
from agentrun.testing.bench import Bench
from agentrun.testing.plan import cases_of
from agentrun.testing.runner import Manner, Runner
from projects import write_project


class Heard:
    def __init__(self):
        self.told = []

    def began(self, case):
        pass

    def ended(self, result):
        pass

    def result(self, result):
        self.told.append(result.case.name)


def run_project(folder, files, *, environ=None, model=None, change=lambda case: case, **manner):
    """The results by the name of their case. `change` makes another case of each; `manner` is that of `Manner`."""
    root = write_project(Path(folder), files)
    environ = {"PATH": os.environ["PATH"], **(environ or {})}
    project = read_project(root, environ)
    errors = [one.message for one in project.report().diagnostics if one.severity == "error"]
    assert errors == []
    heard = Heard()
    cases = [change(case) for case in cases_of(project.catalog.tests)]
    runner = Runner(cases, Bench(project, environ, model=model), Manner(**manner), heard)
    done = asyncio.run(runner.run())
    assert heard.told == [result.case.name for result in done.results]
    return {result.case.name: result for result in done.results}


def calls_of(result):
    return result.shown.observed.calls


def problems_of(result):
    return [failure.message for failure in result.shown.failures]
