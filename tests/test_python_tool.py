"""The python backend with real modules in a project root."""

import asyncio
import subprocess
import sys
import textwrap

import pytest

from agentrun.engine.ports import CallContext, CallInfo, RunInfo
from agentrun.errors import ToolFailure
from agentrun.tools.python import PythonTool, forget_modules, loaded_files

CONTEXT = CallContext(RunInfo("r1", "2025-01-02", "desk", "s1"), CallInfo("c1", "tool", 1), run_child=None)


def project(root, **files):
    """Writes `shop__fx="…"` to shop/fx.py."""
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return root


def call(root, target, **arguments):
    return asyncio.run(PythonTool(target, root=root).call(arguments, CONTEXT))


def failure(root, target, **arguments):
    with pytest.raises(ToolFailure) as caught:
        call(root, target, **arguments)
    assert caught.value.type == "internal"
    return caught.value.message


def test_keyword_arguments_go_in_and_json_comes_out(tmp_path):
    project(tmp_path, shop__fx="def rate(currency, amount=1): return {'currency': currency, 'total': (amount, 2.5)}")
    result = call(tmp_path, "shop.fx:rate", currency="EUR")
    assert result.value == {"currency": "EUR", "total": [1, 2.5]}
    assert result.names == {"result": result.value}


@pytest.mark.parametrize("returned", ["'text'", "None", "True", "3", "[1, 'a', None]"])
def test_every_json_value_comes_back(tmp_path, returned):
    project(tmp_path, values=f"def give(): return {returned}")
    assert call(tmp_path, "values:give").value == eval(returned)


def test_an_async_function_is_awaited(tmp_path):
    project(
        tmp_path,
        tools="""
            import asyncio, functools
            async def double(x):
                await asyncio.sleep(0)
                return 2 * x
            def later(x): return double(x)
            part = functools.partial(double, 21)
            class Service:
                async def __call__(self, x): return await double(x)
            service = Service()
        """,
    )
    assert call(tmp_path, "tools:double", x=21).value == 42
    assert call(tmp_path, "tools:later", x=21).value == 42
    assert call(tmp_path, "tools:part").value == 42
    assert call(tmp_path, "tools:service", x=21).value == 42


def test_a_method_can_be_the_target(tmp_path):
    project(tmp_path, desk="class Desk:\n    @staticmethod\n    def greet(name): return 'hi ' + name\n")
    assert call(tmp_path, "desk:Desk.greet", name="Ann").value == "hi Ann"


def test_the_root_comes_before_sys_path(tmp_path):
    project(tmp_path, colorsys="def origin(): return 'project'")
    assert call(tmp_path, "colorsys:origin").value == "project"
    assert call(tmp_path, "string:capwords", s="a b").value == "A B"


def test_a_module_is_imported_by_the_first_call_and_once(tmp_path):
    project(tmp_path, how_often="count = 0\ndef up():\n    global count\n    count += 1\n    return count\n")
    tool = PythonTool("how_often:up", root=tmp_path)
    assert not [name for name in sys.modules if name.endswith(".how_often")]
    assert [asyncio.run(tool.call({}, CONTEXT)).value for _ in range(2)] == [1, 2]
    assert call(tmp_path, "how_often:up").value == 3


def test_modules_of_a_project_import_each_other_in_every_way(tmp_path):
    project(
        tmp_path,
        shop__tax="RATE = 19",
        shop__deep__more="def get(): return 'deep'",
        helpers="def twice(x): return 2 * x",
        shop__fx="""
            import json
            import shop.tax
            import shop.tax as tax
            import shop.deep.more
            from . import NAME
            from .tax import RATE
            from helpers import twice
            def everything():
                from shop.deep import more
                import helpers
                same = shop.tax is tax and more is shop.deep.more
                return [shop.tax.RATE, RATE, NAME, twice(2), more.get(), helpers.twice(3), same]
        """,
    )
    (tmp_path / "shop" / "__init__.py").write_text("NAME = 'shop'")
    assert call(tmp_path, "shop.fx:everything").value == [19, 19, "shop", 4, "deep", 6, True]
    assert "shop" not in sys.modules
    assert "helpers" not in sys.modules
    assert str(tmp_path) not in sys.path


def test_two_projects_with_the_same_module_names_do_not_mix(tmp_path):
    roots = [
        project(
            tmp_path / name,
            shop__config=f"NAME = '{name}'",
            shop__fx="def name():\n    from shop.config import NAME\n    return NAME",
        )
        for name in ("first", "second")
    ]
    tools = [PythonTool("shop.fx:name", root=root) for root in roots]
    assert [asyncio.run(tool.call({}, CONTEXT)).value for tool in tools * 2] == ["first", "second"] * 2


def test_a_plain_folder_does_not_hide_an_installed_package(tmp_path):
    (tmp_path / "yaml").mkdir()
    project(tmp_path, reader="import yaml\ndef read(text): return yaml.safe_load(text)")
    assert call(tmp_path, "reader:read", text="[1]").value == [1]


def test_classes_of_a_project_find_their_module(tmp_path):
    project(
        tmp_path,
        things="""
            from __future__ import annotations
            from dataclasses import asdict, dataclass
            from typing import get_type_hints
            @dataclass
            class Thing:
                size: int
            def make(): return [asdict(Thing(3)), get_type_hints(Thing)['size'].__name__]
        """,
    )
    assert call(tmp_path, "things:make").value == [{"size": 3}, "int"]


def test_a_wrong_target_says_what_is_missing(tmp_path):
    project(tmp_path, shop__fx="LIMIT = 3", broken="import shop.nothing", bad="def f(:", stops="raise SystemExit(1)")
    assert f"`nowhere.fx` can't be imported (looked in {tmp_path}" in failure(tmp_path, "nowhere.fx:rate")
    assert failure(tmp_path, "shop.gone:rate").endswith("ModuleNotFoundError: No module named 'shop.gone'")
    assert failure(tmp_path, "broken:f").endswith("ModuleNotFoundError: No module named 'shop.nothing'")
    assert "SyntaxError" in failure(tmp_path, "bad:f")
    assert "SystemExit" in failure(tmp_path, "stops:f")
    assert failure(tmp_path, "shop.fx:rate") == "`shop.fx:rate` is not there: `shop.fx` has no `rate`"
    assert failure(tmp_path, "shop.fx:LIMIT") == "`shop.fx:LIMIT` is a int, not a function"


def test_modules_can_be_forgotten_and_are_then_imported_as_they_are(tmp_path):
    project(tmp_path, fx="from inner import RATE\ndef rate(): return RATE", inner="RATE = 1")
    assert loaded_files(tmp_path) == set()
    assert call(tmp_path, "fx:rate").value == 1
    assert loaded_files(tmp_path) == {str(tmp_path / "fx.py"), str(tmp_path / "inner.py")}
    project(tmp_path, inner="RATE = 1000")
    assert call(tmp_path, "fx:rate").value == 1
    forget_modules(tmp_path)
    assert loaded_files(tmp_path) == set()
    assert call(tmp_path, "fx:rate").value == 1000


def test_an_import_that_failed_is_tried_again(tmp_path):
    tool = PythonTool("late:f", root=tmp_path)
    with pytest.raises(ToolFailure):
        asyncio.run(tool.call({}, CONTEXT))
    project(tmp_path, late="def f(): return 'here'")
    assert asyncio.run(tool.call({}, CONTEXT)).value == "here"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_exception_is_told_by_type_and_message(tmp_path, kind):
    project(
        tmp_path,
        raising=f"""
            import sys
            {kind} wrong(): raise ValueError("no rate for XYZ")
            {kind} silent(): raise KeyError
            {kind} leaves(): sys.exit(3)
        """,
    )
    assert failure(tmp_path, "raising:wrong") == "ValueError: no rate for XYZ"
    assert failure(tmp_path, "raising:silent") == "KeyError"
    assert failure(tmp_path, "raising:leaves") == "SystemExit: 3"
    assert "unexpected keyword argument 'x'" in failure(tmp_path, "raising:wrong", x=1)


@pytest.mark.parametrize("returned", ["object()", "{1, 2}", "float('nan')", r"'\ud800'", "b'x'", "{(1, 2): 3}"])
def test_a_result_that_is_not_json_is_a_failure(tmp_path, returned):
    project(tmp_path, values=f"def give(): return {returned}")
    assert failure(tmp_path, "values:give").startswith("`values:give` returned what is not JSON: ")


def test_functions_run_side_by_side_and_off_the_event_loop(tmp_path):
    project(
        tmp_path,
        meeting="""
            import threading
            barrier = threading.Barrier(20)
            def meet():
                barrier.wait(5)
                return threading.current_thread() is threading.main_thread()
        """,
    )
    tool = PythonTool("meeting:meet", root=tmp_path)

    async def all_at_once():
        return await asyncio.gather(*(tool.call({}, CONTEXT) for _ in range(20)))

    assert [result.value for result in asyncio.run(all_at_once())] == [False] * 20


def test_a_function_that_never_returns_keeps_neither_the_call_nor_the_program(tmp_path):
    project(tmp_path, stuck="import threading\ndef wait(): threading.Event().wait()")
    program = f"""
        import asyncio, pathlib, sys
        sys.path.insert(0, {str(tmp_path)!r})
        from agentrun.tools.python import PythonTool

        async def main():
            try:
                async with asyncio.timeout(0.2):
                    await PythonTool("stuck:wait", root=pathlib.Path({str(tmp_path)!r})).call({{}}, None)
            except TimeoutError:
                print("in time")

        asyncio.run(main())
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=10, check=True
    )
    assert (ran.stdout, ran.stderr) == ("in time\n", "")
