"""Multipart bodies: what arrives, which files are sent, and which are not."""

import asyncio
import os
import re
import socket
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentrun.discovery import find_root
from agentrun.errors import UsageError
from agentrun.project import read_project
from agentrun.resolve import resolve_tools
from agentrun.spec.types import PartSpec
from agentrun.tools.files import MAX_BYTES
from agentrun.tools.network import Network
from http_calls import CONTEXT, call, failure, header, sent, tool
from loopback_http import Loopback
from projects import write_project

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PATH = PartSpec(file="{{ args.path }}", root="uploads")


def parts_of(content_type, body):
    """(headers, content) of each part, split as RFC 2046 says."""
    boundary = re.fullmatch(r"multipart/form-data; boundary=(\S+)", content_type).group(1).encode()
    assert body.endswith(b"--" + boundary + b"--\r\n")
    inner = (b"\r\n" + body).removesuffix(b"--" + boundary + b"--\r\n")
    found = []
    for piece in inner.split(b"\r\n--" + boundary + b"\r\n")[1:]:
        head, _, content = piece.partition(b"\r\n\r\n")
        found.append((head.decode(), content.removesuffix(b"\r\n")))
    return found


def parts(made, arguments=None):
    request = sent(made, arguments)
    return parts_of(header(request, "content-type"), request.content)


def contents(made, arguments=None):
    return [content for _, content in parts(made, arguments)]


@pytest.fixture
def uploads(tmp_path):
    folder = tmp_path / "uploads"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.pdf").write_bytes(b"%PDF \x00\xff")
    (folder / "deep" / "b").write_bytes(b"b")
    (tmp_path / "outside").write_text("private")
    return folder


@pytest.fixture(scope="module")
def echo():
    """A server, and a way to send it a body many times."""
    with Loopback() as server, asyncio.Runner() as runner:
        network = Network()

        def ask(arguments, multipart):
            runner.run(tool(server.url, network=network, multipart=multipart).call(arguments, CONTEXT))
            arrived = server.requests.pop()
            return parts_of(arrived.header("content-type"), arrived.body)

        yield ask
        runner.run(network.aclose())


# -- values -----------------------------------------------------------------------------------------------------------


@given(TEXT, TEXT)
@example('a"\r\n--x--\r\nContent-Disposition: form-data; name="b"', "\0")
def test_any_text_arrives_unchanged_as_one_part(echo, one, other):
    arrived = echo(
        {"one": one, "other": other},
        {"a": "{{ args.one }}", "b": "<{{ args.one }}>", "c": PartSpec(content="{{ args.other }}")},
    )
    assert [content for _, content in arrived] == [one.encode(), f"<{one}>".encode(), other.encode()]
    names = [head for head, _ in arrived]
    assert names == [f'Content-Disposition: form-data; name="{name}"' for name in "abc"]


@given(TEXT.filter(lambda text: text.strip() != ""))
@example('a"b\r\nX-Evil: 1')
def test_any_filename_is_one_value_of_its_header(echo, name):
    [(head, content)] = echo({"name": name}, {"f": PartSpec(content="x", filename="{{ args.name }}")})
    disposition, *others = head.split("\r\n")
    assert re.fullmatch(r'Content-Disposition: form-data; name="f"; filename="[^"]*"', disposition)
    assert len(others) == 1
    assert content == b"x"


def test_texts_lists_and_data_become_parts():
    made = tool(
        "https://a.example/",
        multipart={
            "title": "{{ args.title }}",
            "tags": "{{ args.tags }}",
            "kinds": [1, "{{ args.title }}", True, "{{ args.absent }}"],
            "about": PartSpec(content={"by": "{{ args.title }}", "absent": "{{ args.absent }}"}),
            "page": PartSpec(content="<b>", filename="p.html"),
            "typed": PartSpec(content=[{"a": 1}], content_type="application/vnd.x+json; charset=utf-8"),
        },
    )
    assert made._template.method == "POST"
    found = [
        (re.search(r'name="(\w+)"', head)[1], "\r\n" in head and head.partition("\r\n")[2], content.decode())
        for head, content in parts(made, {"title": "ü", "tags": ["a", "b"]})
    ]
    assert found == [
        ("title", False, "ü"),
        ("tags", False, "a"),
        ("tags", False, "b"),
        ("kinds", False, "1"),
        ("kinds", False, "ü"),
        ("kinds", False, "true"),
        ("about", "Content-Type: application/json", '{"by": "ü"}'),
        ("page", "Content-Type: text/html", "<b>"),
        ("typed", "Content-Type: application/vnd.x+json; charset=utf-8", '{"a": 1}'),
    ]


def test_a_part_whose_argument_was_left_out_is_not_sent():
    multipart = {"a": "{{ args.a }}", "f": PATH, "b": PartSpec(content="{{ args.b }}"), "n": "{{ args.n }}"}
    request = sent(tool("https://a.example/", multipart=multipart), {"n": None})
    assert request.content == b"--empty--\r\n"
    assert header(request, "content-type") == "multipart/form-data; boundary=empty"


def test_a_filename_whose_argument_was_left_out_is_that_of_the_file(uploads):
    part = PartSpec(file="{{ args.path }}", root="uploads", filename="{{ args.name }}")
    [(head, _)] = parts(tool("https://a.example/", multipart={"f": part}, folders={"f": uploads}), {"path": "deep/b"})
    assert 'filename="b"' in head


def test_nothing_else_is_placed_beside_a_multipart_body():
    made = tool("https://a.example/", parameters=["a", "b"], multipart={"a": "{{ args.a }}"})
    assert contents(made, {"a": "x", "b": "y"}) == [b"x"]
    assert str(sent(made, {"a": "x", "b": "y"}).url) == "https://a.example/"


def test_half_a_surrogate_pair_is_refused_in_a_part():
    assert failure(tool("https://a.example/", multipart={"a": "{{ args.a }}"}), {"a": "\ud800"}).type == (
        "invalid_arguments"
    )


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_file_below_the_root_is_sent_with_its_name_and_type(uploads):
    made = tool("https://a.example/", multipart={"f": PATH}, folders={"f": uploads})
    [(head, content)] = parts(made, {"path": "a.pdf"})
    disposition = 'Content-Disposition: form-data; name="f"; filename="a.pdf"'
    assert head == f"{disposition}\r\nContent-Type: application/pdf"
    assert content == b"%PDF \x00\xff"
    assert contents(made, {"path": ["a.pdf", "deep/b"]}) == [b"%PDF \x00\xff", b"b"]


def test_a_file_of_the_authors_own_is_sent(uploads):
    part = PartSpec(file="../outside", filename="notes", content_type="text/plain")
    [(head, content)] = parts(tool("https://a.example/", multipart={"f": part}, folders={"f": uploads}))
    assert head.endswith('filename="notes"\r\nContent-Type: text/plain')
    assert content == b"private"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../outside", "without `.` and `..` pieces"),
        ("deep/../../outside", "without `.` and `..` pieces"),
        ("./a.pdf", "without `.` and `..` pieces"),
        ("deep//b", "without `.` and `..` pieces"),
        ("/etc/passwd", "below `uploads`"),
        ("", "below `uploads`"),
        ("a.pdf\0", "below `uploads`"),
        ("deep/b/", "without `.` and `..` pieces"),
        ("missing", "there is no such file below `uploads`"),
        ("a.pdf/b", "there is no such file below `uploads`"),
        ("x" * 300, "there is no such file below `uploads`"),
        ("deep", "it is no regular file"),
        ("link", "links are not followed"),
        ("folder-link/outside", "there is no such file"),
        ("deep/up/outside", "there is no such file"),
        ("pipe", "it is no regular file"),
        ("socket", "no such device or address"),
        ("huge", "it is larger than 32 MiB"),
    ],
)
def test_what_is_no_plain_file_below_the_root_is_refused(uploads, path, why):
    (uploads / "link").symlink_to(uploads / "a.pdf")
    (uploads / "folder-link").symlink_to(uploads.parent)
    (uploads / "deep" / "up").symlink_to("..")
    os.mkfifo(uploads / "pipe")
    with (uploads / "huge").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(uploads)  # the path of a socket may be short only
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        failed = failure(tool("https://a.example/", multipart={"f": PATH}, folders={"f": uploads}), {"path": path})
    assert failed.type == "invalid_arguments"
    assert why in failed.message
    assert str(uploads.parent) not in failed.message


def test_files_that_are_too_large_together_are_refused(uploads):
    for name in ("one", "two"):
        with (uploads / name).open("wb") as file:
            file.truncate(MAX_BYTES // 2 + 1)
    made = tool("https://a.example/", multipart={"f": PATH}, folders={"f": uploads})
    assert failure(made, {"path": ["one", "two"]}).message == "the body would be larger than 32 MiB"


def test_a_part_counts_also_without_a_content():
    made = tool("https://a.example/", multipart={"f": "{{ args.many }}"})
    assert failure(made, {"many": [""] * 250_000}).message == "the body would be larger than 32 MiB"


def test_a_root_that_is_not_there_and_an_own_file_that_is_not_there_are_named(tmp_path):
    below = tool("https://a.example/", multipart={"f": PATH}, folders={"f": tmp_path / "no"})
    missing = failure(below, {"path": "a"})
    assert missing.type == "internal"
    assert missing.message == "the folder `uploads` of files to send can't be opened: no such file or directory"
    own = tool("https://a.example/", multipart={"f": PartSpec(file="no.png")}, folders={"f": tmp_path})
    assert failure(own).message == "the file `no.png` can't be read: no such file or directory"


@given(st.text(st.sampled_from("./\\~ab\0é"), max_size=8))
def test_no_path_reaches_anything_outside(tmp_path_factory, path):
    root = tmp_path_factory.getbasetemp() / "roots" / "inner"
    if not root.exists():
        root.mkdir(parents=True)
        for folder in (root, root.parent):
            for name in "ab":
                (folder / name).write_text(folder.name)
    made = tool("https://a.example/", multipart={"f": PATH}, folders={"f": root})
    if path in ("a", "b"):
        assert contents(made, {"path": path}) == [b"inner"]
    else:
        assert failure(made, {"path": path}).type == "invalid_arguments"


def test_the_root_is_relative_to_the_file_that_wrote_it(tmp_path, uploads):
    with Loopback() as server:
        write_project(
            tmp_path,
            {
                "tools.d/_base.yaml": f"""
                    http:
                      url: {server.url}/
                      multipart:
                        f: {{file: "{{{{ args.path }}}}", root: ../uploads}}
                        own: {{file: ../outside}}
                    """,
                "tools.d/upload.yaml": """
                    extends: _base
                    description: Upload a file.
                    parameters: {type: object, properties: {path: {type: string}}, required: [path]}
                    """,
            },
        )
        project = read_project(find_root(tmp_path / "tools.d"), {})
        [bound] = resolve_tools(project, project.catalog.tools["upload"], {}).tools
        call(bound.backend, {"path": "a.pdf"})
        found = parts_of(server.last.header("content-type"), server.last.body)
    assert [content for _, content in found] == [b"%PDF \x00\xff", b"private"]


def test_a_file_arrives_over_the_network(uploads):
    with Loopback() as server:
        call(tool(server.url, multipart={"f": PATH}, folders={"f": uploads}), {"path": "a.pdf"})
        [(_, content)] = parts_of(server.last.header("content-type"), server.last.body)
    assert content == b"%PDF \x00\xff"


@pytest.mark.parametrize(
    "written",
    [
        {"multipart": {"f": PartSpec(file="{{ args.path }}")}},
        {"multipart": {"f": PartSpec(content="x", content_type="text/plain\r\nX-Evil: 1")}},
        {"multipart": {"f": "x"}, "headers": {"content-type": "text/plain"}},
    ],
)
def test_what_can_not_be_right_in_a_part_is_refused_before_any_call(written):
    with pytest.raises(UsageError):
        tool("https://a.example/", **written)
