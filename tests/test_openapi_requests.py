"""From arguments to requests: every style as the specification's tables have it, bodies, and what is refused."""

import base64
import json
from email.parser import BytesParser
from urllib.parse import parse_qsl

import pytest

from agentrun.spec.types import ApiKeyAuth, AuthSpec
from openapi_documents import body, header, json_body, one_tool, parameter, problems, refusal, request, tools
from openapi_documents import document as written

COLORS = ["blue", "black", "brown"]
RGB = {"R": 100, "G": 200, "B": 150}


# -- the tables of the specification (3.1.1, Style Examples) ----------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "explode", "one", "several", "members"),
    [
        ("matrix", False, ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
        ("matrix", True, ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
        ("label", False, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("label", True, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        ("simple", False, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
    ],
)
def test_paths_are_written_as_the_specification_shows(style, explode, one, several, members):
    operation = {"parameters": [parameter("color", "path", style=style, explode=explode)]}
    for value, expected in ((COLORS[0], one), (COLORS, several), (RGB, members)):
        assert request(operation, {"color": value}, place="GET /x/{color}/y").url.path == f"/x/{expected}/y"


@pytest.mark.parametrize(
    ("style", "explode", "one", "several", "members"),
    [
        ("form", False, "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"),
        ("form", True, "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
        ("spaceDelimited", False, None, "color=blue%20black%20brown", "color=R%20100%20G%20200%20B%20150"),
        ("pipeDelimited", False, None, "color=blue%7Cblack%7Cbrown", "color=R%7C100%7CG%7C200%7CB%7C150"),
        ("deepObject", True, None, None, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
    ],
)
def test_queries_are_written_as_the_specification_shows(style, explode, one, several, members):
    operation = {"parameters": [parameter("color", style=style, explode=explode)]}
    for value, expected in (("blue", one), (COLORS, several), (RGB, members)):
        if expected is not None:
            assert request(operation, {"color": value}).url.query == expected


@pytest.mark.parametrize(
    ("explode", "one", "several", "members"),
    [
        (False, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        (True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
    ],
)
def test_headers_are_written_as_the_specification_shows(explode, one, several, members):
    operation = {"parameters": [parameter("X-Color", "header", explode=explode)]}
    for value, expected in (("blue", one), (COLORS, several), (RGB, members)):
        assert header(request(operation, {"X-Color": value}), "x-color") == expected


@pytest.mark.parametrize(
    ("explode", "one", "several", "members"),
    [
        (False, "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"),
        (True, "color=blue", "color=blue; color=black; color=brown", "R=100; G=200; B=150"),
    ],
)
def test_cookies_are_written_as_form_has_it(explode, one, several, members):
    operation = {"parameters": [parameter("color", "cookie", explode=explode)]}
    for value, expected in (("blue", one), (COLORS, several), (RGB, members)):
        assert header(request(operation, {"color": value}), "cookie") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"gte": 5, "lt": {"year": 2026}}, "a[gte]=5&a[lt][year]=2026"),
        ({"tags": ["x", "y"]}, "a[tags][]=x&a[tags][]=y"),
        (["x", "y"], "a[]=x&a[]=y"),
        ([{"price": "p1", "quantity": 2}, {"price": "p2"}], "a[0][price]=p1&a[0][quantity]=2&a[1][price]=p2"),
        ({"on": True, "off": None, "text": ""}, "a[on]=true&a[text]="),
        (7, "a=7"),  # `anyOf` a range and a number
    ],
)
def test_deep_objects_are_nested_as_servers_take_them(value, expected):
    found = request({"parameters": [parameter("a", style="deepObject", explode=True)]}, {"a": value})
    assert found.url.query == expected.replace("[", "%5B").replace("]", "%5D")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, "v=true"),
        (False, "v=false"),
        (3.0, "v=3"),
        (2.5, "v=2.5"),
        (1e300, "v=1e%2B300"),
        ("", "v="),
        ("é&=#+ %2F/", "v=%C3%A9%26%3D%23%2B%20%252F%2F"),
        (None, ""),
        ([], ""),
        ({}, ""),
        ([None, 1], "v=1"),
        ([["a", 1]], "v=%5B%22a%22%2C1%5D"),
        ([{"a": 1}], "v=%7B%22a%22%3A1%7D"),
    ],
)
def test_values_are_written_as_json_has_them_and_nothing_writes_nothing(value, expected):
    assert request({"parameters": [parameter("v")]}, {"v": value}).url.query == expected


def test_what_stands_between_values_is_no_part_of_one():
    operation = {"parameters": [parameter("v", explode=False), parameter("p", style="pipeDelimited", explode=False)]}
    found = request(operation, {"v": ["a,b", "c"], "p": ["a|b", "c"]})
    assert found.url.query == "v=a%2Cb,c&p=a%7Cb%7Cc"


def test_reserved_characters_stay_where_the_document_allows_them_but_none_ends_a_value():
    operation = {"parameters": [parameter("v", allowReserved=True)]}
    assert (
        request(operation, {"v": "a/b:c,d?e=f&g#h+i%20 [j]"}).url.query == "v=a/b:c,d?e%3Df%26g%23h%2Bi%2520%20%5Bj%5D"
    )


@pytest.mark.parametrize("place", ["query", "header", "cookie"])
def test_a_parameter_with_content_is_json(place):
    content = {"name": "f", "in": place, "content": {"application/json": {"schema": {}}}}
    found = request({"parameters": [content]}, {"f": {"a": ["é", 1, None]}})
    if place == "query":
        assert json.loads(dict(parse_qsl(found.url.query))["f"]) == {"a": ["é", 1, None]}
    else:
        sent = header(found, "f" if place == "header" else "cookie")
        assert sent.isascii()
        if place == "header":
            assert json.loads(sent) == {"a": ["é", 1, None]}


def test_what_the_document_writes_into_a_path_is_sent_as_it_is_and_a_fragment_is_not():
    operation = {"parameters": [parameter("id", "path")]}
    found = request(operation, {"id": "a/b"}, place="POST /v1/x:do/{id}.json?fixed=1#Target=x", server="http://h/base/")
    assert (found.url.path, found.url.query) == ("/base/v1/x:do/a%2Fb.json", "fixed=1")


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", ".", "..", None, [], {}, [""], ["a", ".."]])
@pytest.mark.parametrize("style", ["simple", "label", "matrix"])
def test_a_path_takes_no_empty_piece_and_no_dots(value, style):
    operation = {"parameters": [parameter("id", "path", style=style)]}
    assert "`id`" in refusal(operation, {"id": value}, place="GET /x/{id}")


def test_values_together_make_no_dots_either():
    operation = {"parameters": [parameter("a", "path", style="label"), parameter("b", "path")]}
    assert request(operation, {"a": "%2e", "b": "%2e%2e/"}, place="GET /{a}/{b}").url.path == "/.%252e/%252e%252e%2F"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "é", " a", "a\0", "a\x7f"])
def test_a_header_takes_no_line_break_and_no_other_letters(value):
    message = refusal({"parameters": [parameter("X-A", "header")]}, {"X-A": value})
    assert message.startswith("the header X-A ")


@pytest.mark.parametrize("value", ["a; admin=1", "a\r\nX: y", 'a", b', "a b", "é"])
def test_a_cookie_value_ends_nothing(value):
    sent = header(request({"parameters": [parameter("c", "cookie")]}, {"c": value}), "cookie")
    assert sent.startswith("c=a") or sent == "c=%C3%A9"
    assert sent.isascii()
    assert not set(sent) & set(';\r\n", ')


def test_an_empty_list_is_refused_where_the_parameter_is_needed():
    operation = {"parameters": [parameter("ids", schema={"type": "array", "items": {}}, required=True)]}
    assert refusal(operation, {"ids": []}) == "`ids` is needed, and empty: nothing would be sent"


def test_the_members_of_an_object_pass_for_no_other_parameter_and_no_key():
    free = parameter("filter", schema={"type": "object", "additionalProperties": {"type": "string"}})
    operation = {"parameters": [free, parameter("admin")]}
    assert "a member `admin`" in refusal(operation, {"filter": {"admin": "1"}})
    spec = {"auth": AuthSpec(api_key=ApiKeyAuth("query", "key", "secret-value"))}
    message = refusal(operation, {"filter": {"key": "mine"}}, spec=spec)
    assert message == "the query has a `key` already: that is for `auth`"
    assert request(operation, {"filter": {"a": "b"}}, spec=spec).url.query == "a=b&key=secret-value"


@pytest.mark.parametrize(
    "name", ["Authorization", "Host", "Cookie", "Content-Length", "Accept", "Proxy-Foo", "TE", "A b", "X\r\nY: z"]
)
def test_headers_that_steer_the_connection_are_no_arguments(name):
    made = one_tool({"parameters": [parameter(name, "header"), parameter("x")]})
    assert list(made.function.parameters["properties"]) == ["x"]
    assert problems(made, {name: "mine"})


def test_what_the_operation_does_not_name_is_refused_and_placed_nowhere():
    operation = {"parameters": [parameter("a")], "requestBody": json_body({"type": "object", "properties": {"b": {}}})}
    made = one_tool(operation, place="POST /it")
    assert problems(made, {"a": 1, "c": 2, "body": {}})
    assert problems(made, {"a": 1, "body": {"c": 2}})
    sent = made.backend.build({"a": 1, "c": 2, "body": {"b": 1}})
    assert (sent.url.query, sent.content) == ("a=1", b'{"b":1}')


def test_members_that_are_for_reading_are_not_sent():
    schema = {
        "type": "object",
        "properties": {"id": {"type": "string", "readOnly": True}, "name": {}},
        "required": ["id"],
    }
    made = one_tool({"requestBody": json_body(schema)}, place="POST /it")
    assert problems(made, {"body": {"id": "x"}})
    assert not problems(made, {"body": {"name": "x"}})


def test_half_a_surrogate_pair_is_refused_wherever_it_stands():
    operation = {"parameters": [parameter("q")], "requestBody": json_body({})}
    for arguments in ({"q": "\ud800", "body": 1}, {"body": ["\ud800"]}):
        assert "surrogate" in refusal(operation, arguments, place="POST /it")


# -- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [{"a": [1, None, "é"]}, [], "text", 1.5, None, True])
def test_a_json_body_is_data(value):
    found = request({"requestBody": json_body({})}, {"body": value}, place="PUT /it")
    assert json.loads(found.content) == value
    assert header(found, "content-type") == "application/json"


def test_a_media_type_of_json_is_sent_as_the_document_names_it():
    found = request({"requestBody": body("application/merge-patch+json", {})}, {"body": {"a": None}}, place="PATCH /it")
    assert (header(found, "content-type"), found.content) == ("application/merge-patch+json", b'{"a":null}')


def test_a_body_that_is_left_out_is_no_body():
    operation = {"requestBody": json_body({"type": "object"}, required=False)}
    found = request(operation, {}, place="POST /it")
    assert (found.content, header(found, "content-type")) == (b"", None)
    assert request(operation, {}, place="DELETE /it").content is None


FORM = "application/x-www-form-urlencoded"


def test_a_form_is_written_member_by_member():
    encoding = {
        "metadata": {"style": "deepObject", "explode": True},
        "expand": {"explode": True},
        "ids": {"explode": False},
        "raw": {"contentType": "application/json"},
    }
    value = {
        "name": "a b&c",
        "on": True,
        "metadata": {"k": "v", "n": {"m": [1]}},
        "expand": ["x", "y"],
        "ids": [1, 2],
        "raw": [1, {"a": None}],
        "plain": {"a": 1},
        "gone": None,
        "none": [],
    }
    found = request(
        {"requestBody": body(FORM, {"type": "object"}, encoding=encoding)}, {"body": value}, place="POST /it"
    )
    assert header(found, "content-type") == FORM
    assert parse_qsl(found.content.decode("ascii"), keep_blank_values=True) == [
        ("name", "a b&c"),
        ("on", "true"),
        ("metadata[k]", "v"),
        ("metadata[n][m][]", "1"),
        ("expand", "x"),
        ("expand", "y"),
        ("ids", "1,2"),
        ("raw", '[1,{"a":null}]'),
        ("plain", '{"a":1}'),
    ]


def test_a_form_without_members_is_no_argument():
    empty = {"type": "object", "properties": {}}
    for schema, arguments in ((empty, []), ({**empty, "additionalProperties": {"type": "string"}}, ["body"])):
        made = one_tool({"requestBody": body(FORM, schema, required=False)}, place="DELETE /it")
        assert list(made.function.parameters["properties"]) == arguments
    assert made.backend.build({"body": {"a": "b"}}).content == b"a=b"


UPLOAD = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "The picture."},
        "more": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "code": {"type": "string", "format": "byte"},
        "note": {"type": "string"},
        "about": {"type": "object"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["file"],
}


def parts_of(found):
    head = f"Content-Type: {header(found, 'content-type')}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + found.content)
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part["content-type"],
            part.get_payload(decode=True),
        )
        for part in message.get_payload()
    ]


def test_parts_are_files_texts_and_data():
    encoding = {"file": {"contentType": "image/png, image/jpeg"}}
    operation = {"requestBody": body("multipart/form-data", UPLOAD, encoding=encoding)}
    made = one_tool(operation, place="POST /it")
    value = {
        "file": {"base64": base64.b64encode(b"\x89PNG\0").decode(), "filename": 'a"\r\nb.png'},
        "more": [{"text": "é"}, {"base64": "AAE="}],
        "code": "QUJD",
        "note": "hello",
        "about": {"a": 1},
        "tags": ["x", "y"],
    }
    assert not problems(made, {"body": value})
    file, *others = parts_of(made.backend.build({"body": value}))
    assert (file[0], file[2], file[3]) == ("file", "image/png", b"\x89PNG\0")
    assert others == [
        ("more", "more", "application/octet-stream", "é".encode()),
        ("more", "more", "application/octet-stream", b"\0\1"),
        ("code", None, None, b"QUJD"),
        ("note", None, None, b"hello"),
        ("about", None, "application/json", b'{"a":1}'),
        ("tags", None, None, b"x"),
        ("tags", None, None, b"y"),
    ]


def test_a_file_is_a_text_or_base64_and_never_a_path():
    made = one_tool({"requestBody": body("multipart/form-data", UPLOAD)}, place="POST /it")
    schema = made.function.parameters["properties"]["body"]["properties"]["file"]
    assert (schema["description"], list(schema["properties"])) == ("The picture.", ["text", "base64", "filename"])
    for wrong in ({}, {"text": "a", "base64": "AAE="}, {"file": "/etc/passwd"}, "/etc/passwd"):
        assert problems(made, {"body": {"file": wrong}})
    operation = {"requestBody": body("multipart/form-data", UPLOAD)}
    for wrong in ({"base64": "no!"}, {"base64": "A"}, "/etc/passwd!"):
        assert "`body.file` is a file" in refusal(operation, {"body": {"file": wrong}}, place="POST /it")


def test_bytes_and_texts_are_bodies_of_their_own():
    operation = {"requestBody": body("application/octet-stream", {"type": "string", "format": "binary"})}
    found = request(operation, {"body": {"base64": "AAE="}}, place="PUT /it")
    assert (found.content, header(found, "content-type")) == (b"\0\1", "application/octet-stream")
    assert request(operation, {"body": {"text": "é"}}, place="PUT /it").content == "é".encode()
    found = request({"requestBody": body("text/plain", {"type": "string"})}, {"body": "é"}, place="PUT /it")
    assert (found.content, header(found, "content-type")) == ("é".encode(), "text/plain; charset=utf-8")


# -- headers ----------------------------------------------------------------------------------------------------------


def test_the_document_says_what_is_accepted_and_json_comes_first():
    def accept(*types):
        content = {one: {} for one in types}
        return header(request({"responses": {"200": {"description": "", "content": content}}}, {}), "accept")

    assert accept("text/csv", "application/json", "application/xml") == "application/json"
    assert accept("application/hal+json") == "application/hal+json"
    assert accept("text/csv", "image/png") == "text/csv, image/png"
    assert accept("x\r\ny: z") == accept() == "*/*"


def test_what_the_author_sets_is_no_argument_and_wins():
    operation = {"parameters": [parameter("X-Version", "header"), parameter("c", "cookie"), parameter("d", "cookie")]}
    spec = {"headers": {"x-version": "7", "Cookie": "c=mine; s=1", "Accept": "text/csv", "Content-Type": "x/y"}}
    made = one_tool(operation, spec=spec)
    assert list(made.function.parameters["properties"]) == ["c", "d"]
    found = made.backend.build({"X-Version": "8", "c": "yours", "d": "2"})
    assert header(found, "accept") == "text/csv"
    assert header(found, "x-version") == "7"
    assert header(found, "cookie") == "c=mine; s=1; d=2"
    assert header(found, "content-type") is None


def test_arguments_of_one_name_have_a_place_each():
    operation = {"parameters": [parameter("id", "path"), parameter("id"), parameter("id", "header")]}
    [made] = tools(written({"GET /x/{id}": operation})).values()
    names = list(made.function.parameters["properties"])
    found = made.backend.build(dict(zip(names, "abc", strict=True)))
    assert (found.url.target, header(found, "id")) == ("/x/a?id=b", "c")
