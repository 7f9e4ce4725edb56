"""Fingerprints stay when lines are moved, and tell findings apart."""

import re

from agentrun.diagnostics import Diagnostic, Report, Span
from agentrun.fingerprints import fingerprints_of

SOURCE = "model: m\ntools: [find_ordr, refnd]\n"


def a_finding(line, column, message="there is no tool `find_ordr`", file="a.yaml", code="AR401"):
    return Diagnostic(code, "error", message, Span(file, line, column, line, column + 5))


def fingerprint(source, *found):
    return fingerprints_of(Report(found, {"a.yaml": source, "b.yaml": source}))


def test_lines_above_change_nothing():
    [before] = fingerprint(SOURCE, a_finding(2, 9))
    assert re.fullmatch("[0-9a-f]{32}", before)
    assert fingerprint("# a comment\n\n" + SOURCE, a_finding(4, 9)) == [before]
    assert fingerprint("description: d\n" + SOURCE, a_finding(3, 9)) == [before]


def test_items_before_it_in_a_list_change_nothing():
    assert fingerprint("model: m\ntools: [log, find_ordr]\n", a_finding(2, 14)) == fingerprint(SOURCE, a_finding(2, 9))


def test_places_and_counts_in_the_message_change_nothing():
    [before] = fingerprint(SOURCE, a_finding(2, 9, message="`tools[1].extends` is 1 of 2"))
    assert fingerprint(SOURCE, a_finding(2, 9, message="`tools[10].extends` is 3 of 4")) == [before]
    assert fingerprint(SOURCE, a_finding(2, 9, message="`tools[1].extend5` is 1 of 2")) != [before]


def test_another_code_file_place_or_message_is_another_finding():
    found = [
        a_finding(2, 9),
        a_finding(2, 9, code="AR407"),
        a_finding(2, 9, file="b.yaml"),
        a_finding(1, 1),
        a_finding(2, 9, message="there is no tool `refnd`"),
    ]
    assert len(set(fingerprint(SOURCE, *found))) == len(found)


def test_findings_that_are_alike_are_counted():
    one, two = fingerprint(SOURCE, a_finding(2, 9), a_finding(2, 20))
    assert one != two
    assert fingerprint(SOURCE, a_finding(2, 20)) == [one]


def test_a_name_of_a_file_that_is_no_text_has_one_too():
    assert len(fingerprint(SOURCE, a_finding(1, 1, file="a\udcff.yaml"))) == 1
