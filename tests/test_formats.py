"""What each format of `agentrun validate` promises to those who read it: terminals, GitHub, GitLab, scanners, CI."""

import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import golden_specs
from agentrun.cli.formats import FORMATS, for_a_file, unshown
from agentrun.cli.formats.auto import as_auto
from agentrun.cli.formats.github import as_github
from agentrun.cli.formats.junit import as_junit
from agentrun.cli.formats.markdown import MAX_BYTES, MAX_ROWS, as_markdown
from agentrun.cli.formats.sarif import as_sarif
from agentrun.cli.formats.text import as_text
from agentrun.diagnostics import Diagnostic, Edit, Fix, Related, Report, Span
from agentrun.spec.yaml_nodes import read_text
from agentrun.visible import visible
from projects import write_project

SARIF = json.loads((Path(__file__).parent / "schemas/sarif-schema-2.1.0.json").read_text(encoding="utf-8"))
WRITTEN = ("concise", "json", "jsonl", "github", "gitlab", "sarif", "junit", "markdown")
TEXTS = st.text(max_size=40) | st.text(alphabet="%\r\n,:;=|`<>&\"'[]\\ a0AD2C3é漢\x1b\u202e", max_size=40)


@pytest.fixture(scope="module")
def every_mistake(tmp_path_factory):
    """One project with all the bad files: what validate says of it, by format."""
    root = tmp_path_factory.mktemp("every_mistake").resolve()
    shutil.copytree(golden_specs.SPECS / "ground", root, dirs_exist_ok=True)
    for case in golden_specs.cases("bad"):
        if case.is_file():
            (root / case.parent.name).mkdir(exist_ok=True)
            shutil.copy(case, root / case.parent.name / case.name)
    return root, {name: golden_specs.validate(root, "--format", name)[1] for name in WRITTEN}


@pytest.fixture(autouse=True)
def outside_of_ci(monkeypatch):
    for name in ("GITHUB_ACTIONS", "GITHUB_WORKSPACE", "CI_PROJECT_DIR", "GITHUB_REPOSITORY"):
        monkeypatch.delenv(name, raising=False)


def a_finding(message="a mistake", file="agents/a.yaml", place=(2, 3, 2, 6), severity="error", code="AR401", **more):
    return Diagnostic(code, severity, message, Span(file, *place), **more)


def a_report(*found, **sources):
    return Report(found, {"agents/a.yaml": "model: m\n  tool: x\n"} | sources)


# -- all of them


def test_each_format_tells_each_finding_once(every_mistake):
    _, written = every_mistake
    found = json.loads(written["json"])["findings"]
    assert len(found) > 150
    assert len(written["concise"].splitlines()) == len(found)
    assert [json.loads(line) for line in written["jsonl"].splitlines()] == found
    assert len(written["github"].splitlines()) == len(found)
    assert len(json.loads(written["gitlab"])) == len(found)
    assert len(json.loads(written["sarif"])["runs"][0]["results"]) == len(found)
    assert len(list(ElementTree.fromstring(written["junit"]).iter("testcase"))) == len(found)
    assert sum(line.startswith(("| error", "| warning", "| info")) for line in written["markdown"].splitlines()) == min(
        len(found), MAX_ROWS
    )


def test_the_output_is_the_same_each_time_and_tells_nothing_of_the_machine(every_mistake):
    root, written = every_mistake
    for name in WRITTEN:
        assert golden_specs.validate(root, "--format", name)[1] == written[name]
        assert str(root) not in written[name]
        assert not re.search(r"\d\d:\d\d:\d\d", written[name])


@pytest.mark.parametrize("name", FORMATS)
def test_a_report_without_findings_can_be_written(name):
    written = FORMATS[name](Report((), {}), 3)
    if name in ("concise", "jsonl", "github"):
        assert written == ""
    if name in ("text", "auto", "junit", "markdown"):
        assert "3 files checked" in written


def test_what_goes_into_a_file_has_no_colours():
    assert "\x1b" in FORMATS["text"](a_report(a_finding()), 1)
    assert "\x1b" not in for_a_file("text", a_report(a_finding()), 1)
    assert for_a_file("jsonl", a_report(a_finding()), 1) == FORMATS["jsonl"](a_report(a_finding()), 1)


@pytest.mark.parametrize("code", ["AR608", "AR802", "AR810", "AR811"])
def test_a_line_with_a_secret_is_shown_by_no_format(code):
    secret = "sk-4fz9-very-secret-0001"
    source = f"model: m\n  key: {secret}\n"
    fix = Fix("quote it", (Edit(Span("agents/a.yaml", 2, 8, 2, 32), f'"{secret}"'),))
    here = (2, 8, 2, 32)
    found = [a_finding(code=code, place=here), a_finding("something else", code="AR208", place=here, fix=fix)]
    for name in FORMATS:
        written = FORMATS[name](a_report(*found, **{"agents/a.yaml": source}), 1)
        assert secret not in written, name


LITERAL = "hunter-2-4fz9"


@pytest.mark.parametrize(
    "line",
    [
        f"  apikey: {LITERAL}",
        f"x: 1  # password: {LITERAL}",
        f"headers: {{a: b, \"X-Auth-Token\": '{LITERAL}'}}",
        f"password:   {LITERAL}, and more",
    ],
)
def test_a_line_that_looks_secret_is_shown_by_no_format_whatever_is_found_in_it(line):
    """A misspelt key, one that stands twice, a comment: no rule reads what is behind these."""
    fix = Fix("quote it", (Edit(Span("agents/a.yaml", 1, 1, 1, 99), f'"{LITERAL}"'),))
    found = a_finding(place=(1, 1, 1, 3), fix=fix, code="AR301")
    for name in FORMATS:
        assert LITERAL not in FORMATS[name](a_report(found, **{"agents/a.yaml": line}), 1), name


def test_a_key_of_a_service_that_is_a_key_of_a_mapping_is_shown_by_no_format(tmp_path):
    key = "sk-a1B2c3D4a1B2c3D4a1B2c3D4"
    files = {"agents/a.yaml": f"model: gpt-4.1-mini\ndescription: d\n{key}: x\ntools: [{key}]\n"}
    write_project(tmp_path, files)
    for name in FORMATS:
        _, written = golden_specs.validate(tmp_path, "--format", name)
        assert key not in written, name
        assert "[secret]" in written, name


def test_a_misspelt_key_is_read_as_what_it_is_mended_to():
    fix = Fix("write `bearer`", (Edit(Span("agents/a.yaml", 1, 1, 1, 6), "bearer"),))
    found = a_finding(place=(1, 1, 1, 6), fix=fix, code="AR301")
    assert LITERAL not in as_text(a_report(found, **{"agents/a.yaml": f"berer: {LITERAL}"}), 1)
    assert "${TOKEN}" in as_text(a_report(found, **{"agents/a.yaml": "berer: ${TOKEN}"}), 1)


@pytest.mark.parametrize(
    "line",
    [
        "api_key: ${SHOP_KEY-}",
        "auth: {bearer: '{{ args.token }}'}",
        "api_key: none",
        "token: {type: string}",
        "properties: {token: string}",
        "next_page_token: a",
        "headers: {Authorization: 'Bearer ${SHOP_KEY-}'}",
    ],
)
def test_a_line_that_only_speaks_of_credentials_is_shown(line):
    found = a_finding(place=(1, 1, 1, 3))
    assert line in as_text(a_report(found, **{"agents/a.yaml": line}), 1)


def test_many_findings_of_one_long_line_are_looked_through_once(monkeypatch):
    looked_at = []
    monkeypatch.setattr(unshown, "looks_secret", lambda line: looked_at.append(len(line)))
    line = "tools: [" + "password_0, " * 20_000 + "]"
    fix = Fix("write", (Edit(Span("agents/a.yaml", 1, 9, 1, 12), "x"),))
    found = [a_finding(f"{number}", place=(1, 9, 1, 12), fix=fix) for number in range(5_000)]
    unshown.unshown_lines(a_report(*found, **{"agents/a.yaml": line}))
    assert sorted(looked_at)[-2] < 100 < max(looked_at) == len(line)


# -- concise, JSON


def test_a_concise_finding_is_one_line():
    found = a_finding("two\nlines\x1b[2J", help="look\r\nthere")
    assert FORMATS["concise"](a_report(found), 1) == "agents/a.yaml:2:3: error AR401 two lines␛[2J (look there)"


def test_a_finding_as_json_has_these_keys_and_no_others():
    edit = Edit(Span("agents/a.yaml", 2, 3, 2, 7), "tools")
    related = Related("first defined here", Span("agents/b.yaml", 1, 1, 1, 2))
    found = a_finding(help="did you mean `tools`?", fix=Fix("write `tools`", (edit,), safe=False), related=(related,))
    assert json.loads(FORMATS["json"](a_report(found), 1)) == {
        "version": 1,
        "findings": [
            {
                "code": "AR401",
                "severity": "error",
                "message": "a mistake",
                "file": "agents/a.yaml",
                "line": 2,
                "column": 3,
                "end_line": 2,
                "end_column": 6,
                "pointer": "",
                "help": "did you mean `tools`?",
                "fix": {
                    "title": "write `tools`",
                    "safe": False,
                    "edits": [
                        {
                            "file": "agents/a.yaml",
                            "line": 2,
                            "column": 3,
                            "end_line": 2,
                            "end_column": 7,
                            "text": "tools",
                        }
                    ],
                },
                "related": [{"message": "first defined here", "file": "agents/b.yaml", "line": 1, "column": 1}],
            }
        ],
    }


def test_each_pointer_leads_to_the_key_or_value_that_the_finding_is_about(every_mistake):
    root, written = every_mistake
    for found in json.loads(written["json"])["findings"]:
        text = (root / found["file"]).read_bytes().decode("utf-8-sig", "replace")
        documents = read_text(found["file"], text).documents
        assert found["pointer"] == "" or any(is_about(document, found) for document in documents), found


def is_about(document, found):
    """Whether a pointer leads to something in a document that holds the finding's place."""
    route = []
    node = document
    for step in found["pointer"].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        route.append(int(name) if node.is_list else name)
        node = node.get(route[-1])
        if node is None:
            return False
    begin, end = (found["line"], found["column"]), (found["end_line"], found["end_column"])
    spans = (node.span, document.key_place(tuple(route)))
    return any((one.line, one.column) <= begin and end <= (one.end_line, one.end_column) for one in spans)


# -- GitHub


def command_of(line):
    """A workflow command as GitHub documents it: `::name key=value,key=value::message`."""
    assert line.startswith("::")
    head, _, message = line[2:].partition("::")
    name, _, rest = head.partition(" ")
    properties = dict(pair.split("=", 1) for pair in rest.split(","))
    return name, {key: unescaped(value, "\r\n:,%") for key, value in properties.items()}, unescaped(message, "\r\n%")


def unescaped(text, characters):
    for one in characters:
        text = text.replace(f"%{ord(one):02X}", one)
    return text


@given(message=TEXTS, help=st.none() | TEXTS, file=TEXTS.filter(bool), severity=st.sampled_from(["error", "info"]))
def test_an_annotation_says_what_the_finding_says_whatever_characters_are_in_it(message, help, file, severity):
    line = as_github(a_report(a_finding(message, file, severity=severity, help=help)), 1)
    assert "\n" not in line
    assert "\r" not in line
    name, properties, said = command_of(line)
    assert name == {"error": "error", "info": "notice"}[severity]
    assert said == visible(f"{message}\nhelp: {help}" if help else message)
    assert properties == {
        "file": visible(file),
        "line": "2",
        "col": "3",
        "endLine": "2",
        "endColumn": "6",
        "title": "agentrun AR401",
    }


def test_an_annotation_of_several_lines_has_no_columns():
    _, properties, _ = command_of(as_github(a_report(a_finding(place=(2, 3, 4, 1))), 1))
    assert {"line": "2", "endLine": "4"}.items() <= properties.items()
    assert not {"col", "endColumn"} & properties.keys()


def test_in_a_workflow_there_are_annotations_and_text_that_holds_no_command(monkeypatch):
    report = a_report(a_finding(file="::error::b.yaml"))
    assert "stop-commands" not in as_auto(report, 1)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    annotation, stop, *text, end = as_auto(report, 1).splitlines()
    assert annotation == as_github(report, 1)
    word = stop.removeprefix("::stop-commands::")
    assert end == f"::{word}::"
    assert not any(word in line for line in text)
    assert any("a mistake" in line for line in text)


def test_in_ci_a_file_is_named_from_the_root_of_the_checkout(monkeypatch, tmp_path):
    (tmp_path / "services/desk").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "services/desk")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    report = a_report(a_finding())
    assert command_of(as_github(report, 1))[1]["file"] == "services/desk/agents/a.yaml"
    assert artifacts(as_sarif(report, 1)) == [{"uri": "services/desk/agents/a.yaml", "uriBaseId": "%SRCROOT%"}]
    assert json.loads(FORMATS["gitlab"](report, 1))[0]["location"]["path"] == "services/desk/agents/a.yaml"
    related = (Related("first defined here", Span("agents/b.yaml", 1, 1, 1, 2)),)
    assert "first defined here: services/desk/agents/b.yaml:1" in as_junit(a_report(a_finding(related=related)), 1)


# -- GitLab


def test_gitlab_gets_what_a_code_quality_report_needs(every_mistake):
    issues = json.loads(every_mistake[1]["gitlab"])
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["lines"]["begin"] >= 1
        assert not issue["location"]["path"].startswith(("/", "./"))
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)


# -- SARIF


def artifacts(written):
    results = json.loads(written)["runs"][0]["results"]
    return [result["locations"][0]["physicalLocation"]["artifactLocation"] for result in results]


def is_sarif(written):
    log = json.loads(written)
    jsonschema.Draft7Validator(SARIF).validate(log)
    return log["runs"][0]


def test_sarif_is_what_its_schema_wants(every_mistake):
    run = is_sarif(every_mistake[1]["sarif"])
    rules = run["tool"]["driver"]["rules"]
    assert run["columnKind"] == "unicodeCodePoints"
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["partialFingerprints"]["agentrunFingerprint/v1"]
    assert any("fixes" in result for result in run["results"])
    assert any("relatedLocations" in result for result in run["results"])
    assert len({rule["id"] for rule in rules}) == len(rules)


def test_a_rule_of_sarif_brings_its_page():
    rule = is_sarif(as_sarif(a_report(a_finding()), 1))["tool"]["driver"]["rules"][0]
    assert rule["id"] == "AR401"
    assert rule["properties"]["tags"] == ["reference"]
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert "## Good" in rule["help"]["markdown"]
    assert "`" not in rule["shortDescription"]["text"]


@given(message=TEXTS, file=TEXTS.filter(bool).map(lambda name: name.replace("\0", "")).filter(bool))
def test_sarif_takes_any_message_and_any_name_of_a_file(message, file):
    fix = Fix(message, (Edit(Span(file, 1, 1, 1, 1), message), Edit(Span("b.yaml", 1, 1, 2, 1), "")))
    written = as_sarif(a_report(a_finding(message, file, fix=fix)), 1)
    is_sarif(written)
    assert re.fullmatch(r"(file:///)?[A-Za-z0-9/._~%-]+", artifacts(written)[0]["uri"])
    assert unquote(artifacts(written)[0]["uri"]).removeprefix("file://") == file


def test_a_file_that_lies_elsewhere_is_a_uri_of_its_own():
    written = as_sarif(a_report(a_finding(file="/srv/shared agents/a.yaml")), 1)
    is_sarif(written)
    assert artifacts(written) == [{"uri": "file:///srv/shared%20agents/a.yaml"}]


def test_a_fix_in_sarif_replaces_a_region():
    fix = Fix("write `tools`", (Edit(Span("agents/a.yaml", 2, 3, 2, 7), "tools"),))
    result = is_sarif(as_sarif(a_report(a_finding(fix=fix)), 1))["results"][0]
    [change] = result["fixes"][0]["artifactChanges"]
    assert change["artifactLocation"]["uri"] == "agents/a.yaml"
    assert change["replacements"] == [
        {
            "deletedRegion": {"startLine": 2, "startColumn": 3, "endLine": 2, "endColumn": 7},
            "insertedContent": {"text": "tools"},
        }
    ]


# -- JUnit


def test_junit_counts_its_cases_and_failures(every_mistake):
    root = ElementTree.fromstring(every_mistake[1]["junit"])
    [suite] = root.findall("testsuite")
    cases = suite.findall("testcase")
    failures = suite.findall("testcase/failure")
    errors = [one for one in json.loads(every_mistake[1]["json"])["findings"] if one["severity"] == "error"]
    for counted in (root, suite):
        assert counted.get("tests") == str(len(cases))
        assert counted.get("failures") == str(len(failures)) == str(len(errors))
        assert counted.get("errors") == "0"
    assert all(case.get("name") and case.get("classname") for case in cases)


def test_junit_without_findings_is_one_case_that_passed():
    [case] = ElementTree.fromstring(as_junit(Report((), {}), 1)).iter("testcase")
    assert case.get("name") == "1 file checked"
    assert list(case) == []


@given(message=TEXTS, help=st.none() | TEXTS, file=TEXTS)
def test_junit_is_xml_whatever_characters_are_in_a_finding(message, help, file):
    [case] = ElementTree.fromstring(as_junit(a_report(a_finding(message, file, help=help)), 1)).iter("testcase")
    shown = re.sub("[\ufffe\uffff]", "\ufffd", visible(message))
    assert case.find("failure").get("message") == shown
    assert shown in case.find("failure").text


# -- Markdown


def test_a_row_of_markdown_stays_one_row():
    found = a_finding("`a|b` is *not* <b>\n| c | `d\\|e`", help="_x_ [y](z)")
    *_, row = as_markdown(a_report(found), 1).splitlines()
    says = r"`a\|b` is \*not\* \<b\> \| c \| \`d\\\|e\`<br>help: \_x\_ \[y\](z)"
    assert row == rf"| error | AR401 | agents/a.yaml:2:3 | {says} |"


def test_a_summary_of_many_findings_is_cut():
    found = [a_finding(place=(line, 1, line, 2)) for line in range(1, MAX_ROWS + 11)]
    written = as_markdown(a_report(*found), 1)
    assert written.startswith(f"### agentrun: {MAX_ROWS + 10} errors\n")
    assert written.endswith("\n10 findings more")


def test_a_summary_of_long_findings_is_cut_where_it_would_be_too_large():
    found = [a_finding("é" * 5_000, place=(line, 1, line, 2)) for line in range(1, MAX_ROWS + 1)]
    written = as_markdown(a_report(*found), 1)
    assert MAX_BYTES - 11_000 < len(written.encode()) < 1024 * 1024
    rows = written.count("| error |")
    assert written.endswith(f"\n{MAX_ROWS - rows} findings more")


def test_an_address_in_a_row_of_markdown_is_no_link():
    *_, row = as_markdown(a_report(a_finding("https://a.example.com/_x_ and www.example.com/*")), 1).splitlines()
    assert row.endswith(r"https\://a.example.com/\_x\_ and www\.example.com/\* |")


def test_in_a_workflow_a_place_links_to_its_line(monkeypatch):
    for name, value in {"SERVER_URL": "https://github.com", "REPOSITORY": "shop/desk", "SHA": "abc"}.items():
        monkeypatch.setenv(f"GITHUB_{name}", value)
    written = as_markdown(a_report(a_finding(file="agents/a b.yaml")), 1)
    assert "[agents/a b.yaml:2:3](https://github.com/shop/desk/blob/abc/agents/a%20b.yaml#L2)" in written
