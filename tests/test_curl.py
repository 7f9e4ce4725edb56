"""A curl command line as a tool: what becomes a parameter, what a variable, and that both send the same."""

import email
import json
import os
import shutil
import subprocess
from urllib.parse import parse_qsl, urlsplit

import pytest

from agentrun.cli import run_cli
from agentrun.errors import UsageError
from agentrun.foreign.curl import from_curl
from agentrun.foreign.curl_options import is_curl
from agentrun.foreign.shell_commands import as_words, split
from agentrun.spec.yaml_nodes import read_text
from loopback_http import Loopback, reply
from projects import write_project

KEY = "k3y-9f8e7d6c5b4a"


def made(line, **options):
    return from_curl(split(line), **options)


def tool(line, **options):
    (file,) = made(line, **options).converted.files
    (document,) = read_text(file.path, file.text).documents
    return document.data()


def http(line, **options):
    return tool(line, **options)["http"]


def properties(line, **options):
    return tool(line, **options)["parameters"]["properties"]


def left(line):
    return {one.what: one.why for one in made(line).converted.left}


# -- the same request -----------------------------------------------------------------------------------------

# Each is run by a shell with curl, and as a tool. `URL` is where both go.
REQUESTS = {
    "get": "curl 'URL/orders/1042?limit=5&state=open&tag=a&tag=b&flag&empty='",
    "get_with_headers": "curl URL/x -H 'Accept: application/vnd.shop+json' -H 'X-Trace: on, off' -sSL --compressed",
    "encoded": "curl 'URL/a%20b/x%2Fy?q=%C3%A4+%26%3D%25&path=a%2Fb'",
    "json": """curl URL/orders -H 'Content-Type: application/json' \\
        -d '{"customer": {"name": "Änne \\"A\\"", "vip": true}, "lines": [{"sku": "A1", "qty": 2}],
             "note": null, "rate": 1.5}'""",
    "json_option": """curl URL/orders --json '{"a": 1}'""",
    "json_list": """curl -X PUT URL/orders -H 'content-type: application/json' --data-raw '[1, 2, 3]'""",
    "form": "curl URL/charges -d amount=2000 -d currency=eur -d 'metadata[order]=12' -d 'note=a%20b'",
    "form_encoded": "curl URL/charges --data-urlencode 'note=5 & 6 = 11 %' -d x=1",
    "query_of_data": "curl -G URL/search --data-urlencode 'q=a b&c' -d limit=10",
    "text": "curl URL/notes -H 'Content-Type: text/plain' --data-binary 'two\nlines {{ and }} ${braces}'",
    "xml": "curl URL/soap -H 'Content-Type: text/xml; charset=utf-8' -d '<a b=\"1\">c</a>'",
    "basic": "curl -u ann:s3cret-pass-1 URL/private",
    "basic_key": "curl URL/private -u 'sk_test_4eC39HqLyjWDarjtT1zdp7dc:'",
    "bearer": f"curl URL/private -H 'Authorization: Bearer {KEY}'",
    "other_scheme": f"curl URL/private -H 'Authorization: Token {KEY}'",
    "header_key": f"curl URL/private -H 'X-Api-Key: {KEY}' -H 'X-Auth-Token: second-{KEY}'",
    "query_key": f"curl 'URL/weather?q=Oslo&appid={KEY}'",
    "delete": "curl --request DELETE URL/users/3fa85f64-5717-4562-b3fc-2c963f66afa6/keys/7",
    "head": "curl -I URL/file",
    "patch": """curl -XPATCH URL/a -H'Content-Type: application/merge-patch+json' -d'{"a":"b"}'""",
    "post_without_body": "curl -X POST URL/jobs/77/start",
    "multipart": "curl URL/up -F title=Box -F 'meta={\"a\": 1};type=application/json' -F file=@photos/box.txt",
    "repeated_parts": "curl URL/up -F to=a -F to=b -F 'file[]=@photos/box.txt' -F 'file[]=@photos/lid.txt'",
    "heredoc": """curl URL/x -H 'Content-Type: application/json' -d @- <<'END'
        {"a": "it's $5",
         "b": 2}\nEND\n""",
    "heredoc_in_a_word": """curl URL/x --json "$(cat <<END\n{"a": "\\$5 (five)"}\nEND\n)" -H 'X-A: b'""",
    "heredoc_before_a_pipe": "cat <<END | curl URL/x --data-binary @-\ntwo\nlines\nEND\n",
    "herestring": """curl URL/x --json @- <<< '{"a": 1}'""",
    "echo_before_a_pipe": """export A=b\necho '{"a": 1}' | curl -sS URL/x --json @- > /dev/null 2>&1""",
    "query_by_option": "curl URL/x --url-query 'a=b+c d' --url-query '+e=%20'",
    "encoded_text": "curl URL/x -d 'a=1+2' --data-urlencode 'b=1+2' --data-urlencode '=raw & more'",
    "get_of_a_text": "curl -G URL/x --data-urlencode 'hello world'",
    "dots": "curl URL/a/./b/../c/..",
    "own_authorization": f"curl URL/x -u a:s3cret-pass-1 -H 'Authorization: Bearer {KEY}'",
    "number_out_of_range": """curl URL/x -H 'Content-Type: text/plain' -d '{"a": 1e400}'""",
    "ansi": "curl URL/x -H 'Content-Type: application/json' --data-raw $'{\"text\": \"it\\'s \\u00fc\"}'",
}
_IGNORED = ("host", "user-agent", "accept-encoding", "content-length", "connection", "expect")


def told(request):
    """What a request says, without what may differ from client to client."""
    target = urlsplit(request.target)
    headers = {name.lower(): value for name, value in request.headers if name.lower() not in _IGNORED}
    kind = headers.get("content-type", "")
    body = request.body.decode()
    if kind.startswith("multipart/"):
        headers.pop("content-type")
        whole = email.message_from_string(f"Content-Type: {kind}\n\n{body}")
        body = [
            (one.get_param("name", header="content-disposition"), one.get_filename(), one.get_payload().strip())
            for one in whole.get_payload()
        ]
    elif kind.endswith("json"):
        body = json.loads(body)
    elif kind == "application/x-www-form-urlencoded":
        body = parse_qsl(body, keep_blank_values=True)
    query = sorted(parse_qsl(target.query, keep_blank_values=True))
    return request.method, target.path, query, headers, body


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl to compare with")
@pytest.mark.parametrize("name", REQUESTS)
def test_a_tool_sends_what_curl_sends(tmp_path, monkeypatch, capsys, name):
    write_project(
        tmp_path,
        {"photos/box.txt": "a box\n", "photos/lid.txt": "a lid\n", "tools.d/other.yaml": "shell: {command: [date]}\n"},
    )
    monkeypatch.chdir(tmp_path)
    with Loopback(reply(body="done", content_type="text/plain")) as server:
        line = REQUESTS[name].replace("URL", server.url)
        subprocess.run(["bash", "-c", line], check=True, capture_output=True, timeout=30)
        expected = server.last
        assert run_cli(["tools", "import", "curl", "--name", name, line]) == 0
        out = capsys.readouterr().out
        assert KEY not in out
        for file in tmp_path.rglob("tools.d/*"):
            assert KEY not in file.read_text()
            assert "s3cret-pass-1" not in file.read_text()
        for variable, value in secrets_of(line, out).items():
            monkeypatch.setenv(variable, value)
        assert run_cli(["validate"]) == 0
        arguments = json.dumps(from_curl(split(line, is_curl)).arguments)
        assert run_cli(["tools", "call", name, "--args", arguments]) == 0, capsys.readouterr()
        assert len(server.requests) == 2
    assert told(server.last) == told(expected)


def secrets_of(line, out):
    """A value for each variable that was told, as the command line has it."""
    found = {}
    for variable in [row.split(":")[0].strip() for row in out.splitlines() if row.startswith("  ")]:
        second = "second-" if "AUTH_TOKEN" in variable else ""
        known = {"USERNAME": "ann", "PASSWORD": "s3cret-pass-1"}
        stripe = "sk_test_4eC39HqLyjWDarjtT1zdp7dc" if "sk_test" in line else f"{second}{KEY}"
        found[variable] = known.get(variable.rpartition("_")[2], stripe)
    return found


# -- parameters -----------------------------------------------------------------------------------------------


def test_ids_in_the_path_and_all_values_of_query_and_body_become_parameters():
    sent = """--json '{"amount": 5.5, "to": {"iban": "DE1"}}'"""
    line = f"curl -X PUT 'https://a.example/v2/shops/eu/orders/1042?dry=true' {sent}"
    assert http(line) == {
        "url": "https://a.example/v2/shops/eu/orders/{order_id}",
        "method": "PUT",
        "query": {"dry": "{{ args.dry }}"},
        "headers": {"Accept": "application/json"},
        "json": {"amount": "{{ args.amount }}", "to": {"iban": "{{ args.iban }}"}},
    }
    kinds = {name: (schema["type"], schema["examples"]) for name, schema in properties(line).items()}
    assert kinds == {
        "order_id": ("integer", [1042]),
        "dry": ("boolean", [True]),
        "amount": ("number", [5.5]),
        "iban": ("string", ["DE1"]),
    }
    assert tool(line)["parameters"]["required"] == ["order_id", "dry", "amount", "iban"]


def test_of_a_request_that_only_reads_the_values_of_the_query_are_defaults():
    line = "curl 'https://a.example/orders/7?limit=5'"
    assert properties(line) == {
        "order_id": {"type": "integer", "examples": [7]},
        "limit": {"type": "integer", "default": 5},
    }
    assert tool(line)["parameters"]["required"] == ["order_id"]


@pytest.mark.parametrize(
    ("segment", "is_id"),
    [
        ("1042", True),
        ("3fa85f64-5717-4562-b3fc-2c963f66afa6", True),
        ("cus_9s6XKzkNRiz8i3", True),
        ("507f1f77bcf86cd799439011", True),
        ("{orderId}", True),
        (":orderId", True),
        ("<order>", True),
        ("ORDER", True),
        ("ORDER_NUMBER", True),
        ("XXXX", False),
        ("ORDER-1", False),
        ("v2", False),
        ("refunds", False),
        ("2010-04-01", False),
        ("users.list", False),
    ],
)
def test_what_of_a_path_is_an_id(segment, is_id):
    assert ("{" in http(f"curl 'https://a.example/orders/{segment}'")["url"]) is is_id


def test_a_version_of_an_api_is_no_id():
    assert http("curl https://a.example/3/movie/550")["url"] == "https://a.example/3/movie/{movie_id}"
    assert http("curl https://a.example/rest/api/3/issue/12")["url"] == "https://a.example/rest/api/3/issue/{issue_id}"


def test_words_in_capitals_that_documentation_has_for_others_are_parameters():
    line = "curl https://api.github.com/repos/OWNER/REPO/issues/ISSUE_NUMBER"
    assert http(line)["url"] == "https://api.github.com/repos/{owner}/{repo}/issues/{issue_number}"
    assert made(line).arguments == {"owner": "OWNER", "repo": "REPO", "issue_number": "ISSUE_NUMBER"}


@pytest.mark.parametrize("host", ["{shop}", "<shop>", "$SHOP", "${SHOP}", "%7Bshop%7D"])
def test_a_place_to_be_filled_in_that_stands_in_the_host_is_a_variable(host):
    found = made(f"curl 'https://{host}.myshopify.com/admin'")
    assert "https://${SHOP}.myshopify.com/admin" in found.converted.files[0].text
    assert found.converted.variables == ["SHOP: a part of the address"]


@pytest.mark.parametrize("url", ["https://a..b/x", "https://a]b/x", "https://-x-y z/", "https://a.example:port/x"])
def test_what_no_host_has_is_refused(url):
    with pytest.raises(UsageError, match="is no URL"):
        made(f"curl '{url}'")


def test_a_list_without_items_says_that_it_may_hold_anything():
    assert properties("""curl https://a.example/x --json '{"tags": []}'""")["tags"]["items"] == {}


def test_a_text_that_a_number_would_not_come_back_as_stays_a_text():
    line = "curl 'https://a.example/x?zip=01234&price=1.50&big=12345678901234567890&n=7&yes=true&no=False'"
    kinds = {name: schema["type"] for name, schema in properties(line).items()}
    assert kinds == {**dict.fromkeys(("zip", "price", "big", "no"), "string"), "n": "integer", "yes": "boolean"}


def test_names_that_are_taken_get_those_above_them():
    line = """curl https://a.example/x --json '{"from": {"id": 1}, "to": {"id": 2}, "id": 3}'"""
    assert http(line)["json"] == {
        "from": {"id": "{{ args.id }}"},
        "to": {"id": "{{ args.to_id }}"},
        "id": "{{ args.id_2 }}",
    }


def test_names_that_are_none_in_a_template_are_made_legal():
    line = "curl 'https://a.example/x?filter%5Bstatus%5D=open&ids[]=1&ids[]=2&$top=3&9a=4'"
    assert http(line)["query"] == {
        "filter[status]": "{{ args.status }}",
        "ids[]": "{{ args.ids }}",
        "$top": "{{ args.top }}",
        "9a": "{{ args.p_9a }}",
    }


def test_only_what_is_chosen_becomes_a_parameter():
    line = 'curl \'https://a.example/eu/orders/1042?limit=5\' --json \'{"amount": 5, "note": "of order 1042"}\''
    assert http(line, chosen=["amount", "region=eu", "order=1042"]) == {
        "url": "https://a.example/{region}/orders/{order}?limit=5".replace("?limit=5", ""),
        "query": {"limit": "5"},
        "headers": {"Accept": "application/json"},
        "json": {"amount": "{{ args.amount }}", "note": "of order 1042"},
    }
    with pytest.raises(UsageError, match="`--param amont` fits nothing") as error:
        made(line, chosen=["amont"])
    assert "`amount`" in error.value.help


def test_a_value_that_stands_in_several_places_can_be_one_parameter():
    line = "curl 'https://a.example/orders/1042?order=1042'"
    assert http(line, chosen=["order=1042"]) == {
        "url": "https://a.example/orders/{order}",
        "query": {"order": "{{ args.order }}"},
    }


def test_a_header_becomes_a_parameter_only_where_it_is_chosen():
    line = "curl https://a.example/x -H 'X-Shop: eu'"
    assert http(line)["headers"] == {"X-Shop": "eu"}
    assert http(line, chosen=["X-Shop"])["headers"] == {"X-Shop": "{{ args.x_shop }}"}


def test_what_looks_like_a_template_or_a_variable_is_sent_as_it_is():
    line = """curl https://a.example/x -H 'X-A: {{ args.b }} $HOME ${HOME}'"""
    assert http(line)["headers"] == {"X-A": "{{ '{{' }} args.b }} $$HOME $${HOME}"}


def test_braces_of_a_path_are_neither_holes_nor_templates():
    assert (
        http("curl -g 'https://a.example/{{y}}/{%z/${w}'")["url"] == "https://a.example/%7B%7By%7D%7D/%7B%z/$$%7Bw%7D"
    )


def test_a_body_that_comes_from_a_file_is_an_argument():
    found = made("curl https://a.example/x -H 'Content-Type: application/json' -d @order.json")
    assert "json: '{{ args.body }}'" in found.converted.files[0].text.replace('"', "'")
    assert found.converted.notes == ["curl reads the body from the file `order.json`: the tool takes it as an argument"]


def test_a_file_beside_the_project_is_always_the_same_and_one_of_a_folder_is_chosen():
    parts = http("curl https://a.example/up -F a=@box.jpg -F b=@photos/box.jpg -F c=@/srv/box.jpg")["multipart"]
    assert parts == {
        "a": {"file": "../box.jpg"},
        "b": {"file": "{{ args.b }}", "root": "../photos"},
        "c": {"file": "/srv/box.jpg"},
    }


# -- credentials ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "auth", "variables"),
    [
        (f"-H 'Authorization: Bearer {KEY}'", {"bearer": "${SHOP_TOKEN}"}, ["SHOP_TOKEN"]),
        (f"--oauth2-bearer {KEY}", {"bearer": "${SHOP_TOKEN}"}, ["SHOP_TOKEN"]),
        (
            f"-u ann:{KEY}",
            {"basic": {"username": "${SHOP_USERNAME}", "password": "${SHOP_PASSWORD}"}},
            ["SHOP_USERNAME", "SHOP_PASSWORD"],
        ),
        (f"-u {KEY}:", {"basic": {"username": "${SHOP_KEY}", "password": ""}}, ["SHOP_KEY"]),
        (
            "-H 'Authorization: Basic YW5uOnMzY3JldA=='",
            {"basic": {"username": "${SHOP_USERNAME}", "password": "${SHOP_PASSWORD}"}},
            ["SHOP_USERNAME", "SHOP_PASSWORD"],
        ),
        (
            f"-H 'X-Api-Key: {KEY}'",
            {"api_key": {"in": "header", "name": "X-Api-Key", "value": "${SHOP_API_KEY}"}},
            ["SHOP_API_KEY"],
        ),
        ('-H "Authorization: Bearer $SHOP_PAT"', {"bearer": "${SHOP_PAT}"}, ["SHOP_PAT"]),
        (
            '-H "Authorization: Bearer $(gcloud auth print-access-token)"',
            {"bearer": "${GCLOUD_AUTH_PRINT_ACCESS_TOKEN}"},
            ["GCLOUD_AUTH_PRINT_ACCESS_TOKEN"],
        ),
    ],
)
def test_credentials_become_variables_of_auth(options, auth, variables):
    line = f"curl https://api.shop.example/x {options}".replace("shop.example", "shop.io")
    assert http(line)["auth"] == auth
    found = made(line).converted
    assert [one.split(":")[0] for one in found.variables] == variables
    assert KEY not in repr(found)


def test_credentials_in_the_url_and_in_a_body_become_variables():
    line = f"curl https://ann:{KEY}@shop.io/login -d client_secret={KEY} -d 'name=Ann' -d token_type=x"
    assert http(line)["form"] == {
        "client_secret": "${SHOP_CLIENT_SECRET}",
        "name": "{{ args.name }}",
        "token_type": "{{ args.token_type }}",
    }
    assert KEY not in repr(made(line))


def test_a_key_that_is_known_by_its_form_is_found_wherever_it_stands():
    key = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    line = f"""curl https://a.example/x -H 'X-Other: {key}' --json '{{"a": ["b", "{key}"]}}'"""
    assert key not in repr(made(line))
    assert http(line)["json"] == {"a": ["b", "${EXAMPLE_A}"]} or "${" in http(line)["json"]["a"][1]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "https://hooks.slack.com/services/T0123ABCD/B0123ABCD/abcdefghijklmnop12345678",
            "https://hooks.slack.com/services/T0123ABCD/B0123ABCD/${SLACK_PATH_KEY}",
        ),
        (
            "https://api.telegram.org/bot123456789:AAabcdefghijklmnopqrstuvwxyz0123456/sendMessage",
            "https://api.telegram.org/${TELEGRAM_PATH_KEY}/sendMessage",
        ),
        ("https://a.shop.io/key/9f8e7d6c5b4a3210ffee/orders", "https://a.shop.io/key/${SHOP_PATH_KEY}/orders"),
    ],
)
def test_a_key_in_the_path_becomes_a_variable(url, expected):
    assert http(f"curl {url} -d a=1")["url"] == expected


def test_a_header_that_holds_a_row_of_letters_and_digits_becomes_a_variable():
    assert http("curl https://a.shop.io/x -H 'X-Shop: 9f8e7d6c5b4a3210ffee'")["headers"] == {"X-Shop": "${SHOP_SHOP}"}


# -- what is left and dropped ---------------------------------------------------------------------------------


def test_what_a_browser_adds_is_dropped_and_told():
    line = """curl 'https://a.example/x' -H 'sec-fetch-mode: cors' -H 'Cookie: sid=1' -H 'Accept: */*' \\
      -H 'User-Agent: Mozilla/5.0 (X11)' -H 'Host: a.example' -e https://b.example --compressed"""
    found = made(line).converted
    assert "headers" not in http(line)
    assert found.notes[0] == (
        "left out, as they are the connection's or a browser's: sec-fetch-mode, Cookie, User-Agent, Host, Referer"
    )
    assert "credential of its own" in found.notes[1]


def test_a_user_agent_that_an_author_chose_is_kept():
    assert http("curl https://a.example/x -A 'shop/1 (ops@shop.example)'")["headers"] == {
        "User-Agent": "shop/1 (ops@shop.example)"
    }


def test_options_that_agentrun_has_nothing_for_are_left_with_the_reason():
    assert left("curl -k --cert a.pem -x http://p --digest --frobnicate https://a.example/x https://b.example") == {
        "-k": "certificates are always checked",
        "--cert": "agentrun sends no client certificate",
        "-x": "agentrun's tools use no proxy",
        "--digest": "agentrun has bearer, basic, api_key and oauth2",
        "--frobnicate": "the option is not known here",
        "https://b.example": "a tool has one URL: import the other on its own",
    }


def test_several_urls_that_curl_makes_of_one_are_told():
    assert list(left("curl 'https://a.example/x/[1-3]?y={a,b}'")) == ["https://a.example/x/[1-3]?y={a,b}"]
    assert left("curl -g 'https://a.example/x/[1-3]?y={a,b}'") == {}


def test_a_file_that_becomes_a_part_of_the_query_is_left():
    assert list(left("curl -G https://a.example/x --data-urlencode q@words.txt -d a=1")) == ["urlencode of `words.txt`"]


def test_parts_of_one_name_that_are_unlike_are_told_and_the_last_is_sent():
    found = made("curl https://a.example/x -F a=1 -F a=@b/c.txt -F 'd=@e/f.txt;type=nonsense'")
    assert found.arguments == {"a": "c.txt", "d": "f.txt"}
    assert "the part `a` stands there 2 times, each in its own way: the last one is sent" in found.converted.notes


def test_a_key_that_stands_in_a_name_is_written_nowhere():
    key = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"
    found = made(f"curl 'https://a.example/x?{key}=1&{key}' -F '{key}=2' -H 'X-{key}: 3'")
    assert key not in found.converted.files[0].text
    assert key not in str(found.arguments)


def test_of_several_credentials_the_one_of_curl_is_sent():
    line = "curl https://a.example/x -u a:s3cret-pass-1 -H 'X-Api-Key: k3y-9f8e7d6c' -H 'Authorization: Digest a=b'"
    assert http(line)["auth"] == {"api_key": {"in": "header", "name": "X-Api-Key", "value": "${A_API_KEY}"}}


def test_a_content_type_that_parts_can_not_have_is_told():
    found = made("curl https://a.example/x -F a=1 -H 'Content-Type: application/json'")
    assert "Content-Type" not in found.converted.files[0].text
    assert "the body has parts, and the tool says multipart/form-data, not application/json" in found.converted.notes


def test_what_stands_behind_the_command_is_left():
    assert left("curl https://a.example/x | jq .a") == {
        "| jq .a": "what comes behind the command is no part of the request"
    }
    assert "in quotes" in left("curl https://a.example/x?a=1&b=2")["&b=2"]
    assert left("curl https://a.example/x --next https://b.example") == {
        "--next": "a file holds one request: import the second command on its own"
    }


def test_a_line_is_named_with_what_is_left():
    (one,) = made("curl https://a.example/x \\\n  -H 'A: b' \\\n  --insecure").converted.left
    assert (one.line, one.what) == (3, "--insecure")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "there is no curl command"),
        ("git log -p", "this is no curl command: it begins with `git`"),
        ("curl -s", "has no URL"),
        ("curl 'https://a.example/x", "opens a quote that is never closed"),
        ("curl https://a.example/x -H", "-H of the curl command has no value"),
        ("curl -X PURGE https://a.example/x", "can't send the method `PURGE`"),
        ("curl ftp://a.example/x", "is no HTTP address"),
        ("curl 'https:///x'", "is no URL"),
    ],
)
def test_what_is_no_request_is_refused(line, message):
    with pytest.raises(UsageError, match=message) as error:
        made(line)
    assert error.value.help


# -- words ----------------------------------------------------------------------------------------------------


def words(text):
    return [one.text for one in split(text).words]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a 'b c' \"d e\" f\\ g", ["a", "b c", "d e", "f g"]),
        ("a\\\n  b", ["a", "b"]),
        ("a\r\n  -b", ["a", "-b"]),
        ('"a\\"b\\\\c\\d"', ['a"b\\c\\d']),
        ("'a'\\''b'", ["a'b"]),
        ("$'a\\nb\\x41\\u00e9\\'\\ud83d\\ude00'", ["a\nbAé'😀"]),
        ("''", [""]),
        ("$ {}", ["$", "{}"]),
        ("# a comment\ncurl x", ["curl", "x"]),
    ],
)
def test_words_are_split_as_a_shell_does(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "words", "stdin", "rest"),
    [
        ("curl a <<E\nx $Y\nE\nnext", ["curl", "a"], "x \0Y\0\n", "next"),
        ("curl a <<'E' -b\nx $Y\nE", ["curl", "a", "-b"], "x $Y\n", None),
        ("curl a <<-E | jq\n\tx\n\tE\n", ["curl", "a"], "x\n", "| jq"),
        ("curl a <<E \\\n -b\n- x\nE\n", ["curl", "a", "-b"], "- x\n", None),
        ("curl a <<E\nnever ended", ["curl", "a"], "never ended", None),
        ("curl a <<< 'x y' > out 2>&1 -b", ["curl", "a", "-b"], "x y\n", None),
        ("curl a < file", ["curl", "a"], None, None),
        ("A=b; cd x && echo x y | curl a && rm b", ["curl", "a"], "x y\n", "&& rm b"),
        ("printf '%s' '{}' | curl a", ["curl", "a"], "{}", None),
        ("printf '%d' 1 | curl a", ["curl", "a"], None, None),
        ("cat file | curl a", ["curl", "a"], None, None),
        ("curl a/<id> -b", ["curl", "a/"], None, "<id> -b"),
        ("curl a\nIt's the answer", ["curl", "a"], None, "It's the answer"),
        ("", [], None, None),
    ],
)
def test_the_command_is_found_with_what_it_is_given(text, words, stdin, rest):
    found = split(text, is_curl)
    assert ([one.text for one in found.words], found.stdin) == (words, stdin)
    assert (found.rest.text if found.rest else None) == rest


def test_a_command_line_that_is_no_utf_8_is_refused():
    with pytest.raises(UsageError, match="UTF-8"):
        split("curl https://a.example/\udcff")


def test_words_of_windows_are_split_as_its_programs_do():
    copied = (
        'curl ^"https://a.example/x?a=1^&b=2^" ^\r\n  -H ^"accept: */*^" ^\r\n'
        '  --data-raw ^"^{^\\^"a^\\^":^\\^"50^% c:^\\^\\d^\\^"^}^"'
    )
    assert words(copied) == [
        "curl",
        "https://a.example/x?a=1&b=2",
        "-H",
        "accept: */*",
        "--data-raw",
        '{"a":"50% c:\\\\d"}',
    ]


def test_words_that_a_shell_has_split_are_taken_as_they_are():
    found = from_curl(as_words(["curl", "https://a.example/x", "-H", "X-A: $HOME 'b'"])).converted
    assert "$$HOME 'b'" in found.files[0].text


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash to compare with")
@pytest.mark.parametrize("line", [one for one in REQUESTS.values() if "\n" not in one])
def test_words_are_those_of_bash(line):
    printed = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True, timeout=30, env={**os.environ}
    )
    assert words(line) == printed.stdout.decode().split("\0")[:-1]
