"""What is generated is what the code gives; what is written by hand in two places agrees."""

import json
import re

import jsonschema
import pytest

import golden
from agentrun.cli.schema import KINDS
from agentrun.spec.schema import schema_of
from agentrun.spec.yaml_nodes import read_bytes

GOLDEN = golden.definitions()
REFERENCE = GOLDEN["docs/reference.md"]
SHIPPED = [
    *[("agent", path) for path in sorted((golden.ROOT / "agents").glob("[!_]*.yaml"))],
    *[("tool", path) for path in sorted((golden.ROOT / "tools.d").glob("[!_]*.yaml"))],
    *[("test", path) for path in sorted((golden.ROOT / "tests").glob("*.test.yaml"))],
]


@pytest.mark.parametrize("name", GOLDEN)
def test_a_generated_file_is_what_the_code_gives(name):
    written = (golden.ROOT / name).read_text(encoding="utf-8")
    assert written == GOLDEN[name], f"{name}: run `make golden`"


def test_the_script_writes_what_is_stale_and_check_only_tells(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(golden, "ROOT", tmp_path)
    monkeypatch.setattr(golden, "golden_files", golden.definitions)
    assert golden.main(["--check"]) == 1
    assert "schemas/agent.schema.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert golden.main([]) == 0
    assert golden.main(["--check"]) == 0
    assert (tmp_path / "docs/reference.md").read_text() == REFERENCE


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_valid_where_editors_read_draft_7(kind):
    jsonschema.Draft7Validator.check_schema(json.loads((golden.ROOT / f"schemas/{kind}.schema.json").read_text()))


@pytest.mark.parametrize(("kind", "path"), SHIPPED, ids=lambda value: getattr(value, "name", value))
def test_an_editor_finds_nothing_in_the_shipped_files(kind, path):
    validator = jsonschema.Draft7Validator(json.loads((golden.ROOT / f"schemas/{kind}.schema.json").read_text()))
    documents = read_bytes(path.name, path.read_bytes()).documents
    assert documents
    assert [error.message for one in documents for error in validator.iter_errors(one.data())] == []


def test_an_editor_finds_an_unknown_key():
    validator = jsonschema.Draft7Validator(json.loads((golden.ROOT / "schemas/tool.schema.json").read_text()))
    assert not validator.is_valid({"shell": {"comand": ["date"]}})
    assert validator.is_valid({"shell": {"command": ["date"]}, "x-owner": "me"})


def test_an_editor_takes_a_template_of_each_where_its_value_will_stand():
    validator = jsonschema.Draft7Validator(json.loads((golden.ROOT / "schemas/test.schema.json").read_text()))

    def takes(**case):
        return validator.is_valid({"agent": "a", "cases": [{"name": "a", **case}]})

    each = "{{ each.n }}"
    assert takes(timeout=each, expect={"turns": each, "calls": [{"name": "a", "count": each}]}, tools={"a": each})
    assert takes(model=[{"finish_reason": each, "tool_calls": each, "error": {"status": each}}], args={"a": each})
    assert not takes(timeout="soon")
    assert not takes(model=[{"finish_reason": "{{ finish }}"}])
    assert not takes(expct={})
    assert not takes(expect={"answer": {"contain": "a"}})
    assert not validator.is_valid({"agent": "a", "timeout": each, "cases": [{"name": "a"}]})


# -- the reference --------------------------------------------------------------------------------------------


def sections():
    """The keys of each table of the reference, by heading."""
    found = {}
    for line in REFERENCE.splitlines():
        if heading := re.match(r"##+ (.*)", line):
            found[heading.group(1).strip("`")] = []
        elif key := re.match(r"\| `([^`]+)` \|", line):
            list(found.values())[-1].append(key.group(1))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_has_every_key_of_every_mapping(kind):
    tables = list(sections().values())
    for name, definition in schema_of(kind)["$defs"].items():
        assert list(definition["properties"]) in tables, name


def test_the_reference_describes_each_mapping_once():
    mappings = {name for kind in KINDS for name in schema_of(kind)["$defs"]}
    assert len(sections()) == len(mappings)


def test_every_link_of_the_reference_has_its_heading():
    links = set(re.findall(r"\]\(#([^)]*)\)", REFERENCE))
    headings = {re.sub(r"[^a-z0-9_-]", "", heading.lower().replace(" ", "-")) for heading in sections()}
    assert links == headings


def row(section, key):
    part = re.split(r"\n##+ ", REFERENCE[REFERENCE.index(f" {section}\n") :])[0]
    return next(line for line in part.splitlines() if line.startswith(f"| `{key}` |"))


def test_the_reference_tells_type_bounds_and_default():
    assert "| whole number, at least 1 | `25` |" in row("`limits`", "max_turns")
    assert "| number, more than 0 | `30` |" in row("Tool", "timeout")
    assert "| list of whole number, 0 to 255 | `[0]` |" in row("`shell`", "expect")
    assert "| text | required |" in row("`http`", "url")


def test_the_reference_tells_where_the_environment_is_read_and_what_is_masked():
    assert "`${VAR}` is read here" in row("Tool", "http")
    assert "`${VAR}` is read" not in row("Agent", "system_prompt")
    assert "masked" in row("`model`", "api_key")
    assert "masked" not in row("`model`", "base_url")
