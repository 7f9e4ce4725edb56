"""The demo order service over real HTTP, and the command that starts it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from agentrun.demo.orders import MAX_BODY_BYTES, OrderService

WAIT_S = 20


@pytest.fixture
def service():
    with OrderService() as running:
        yield running


def ask(service, path, *, method="GET", body=None, key=None, token=None):
    """(status, JSON) of one request; `body` may be bytes, else it is sent as JSON."""
    headers = {"Authorization": f"Bearer {token or service.token}"}
    if key:
        headers["Idempotency-Key"] = key
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(service.url + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


def refund(service, order_id, body=None, **more):
    return ask(service, f"/orders/{order_id}/refunds", method="POST", body=body or {}, **more)


def send_raw(service, text):
    """Status and JSON for a request written out by hand."""
    address = urlsplit(service.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=WAIT_S)
    connection.connect()
    connection.sock.sendall(text.encode())
    response = http.client.HTTPResponse(connection.sock)
    response.begin()
    try:
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_an_order_is_looked_up_with_its_carrier_and_tracking(service):
    status, order = ask(service, "/orders/1042")
    assert status == 200
    assert (order["status"], order["carrier"], order["tracking"]) == ("delivered", "DHL", "JD014600006281440275")
    assert order["total"] == 104.9
    assert order["total"] == order["shipping"] + sum(item["quantity"] * item["price"] for item in order["items"])


def test_orders_are_listed_newest_first(service):
    status, listed = ask(service, "/orders")
    assert status == 200
    dates = [order["placed_on"] for order in listed["orders"]]
    assert dates == sorted(dates, reverse=True)
    assert len(dates) == 8
    assert {order["status"] for order in listed["orders"]} == {"paid", "shipped", "delivered", "cancelled", "refunded"}


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("customer=lindqvist", ["1048", "1042"]),
        ("customer=TOM.BECKER@example.com", ["1045", "1033"]),
        ("customer=Tom%20Becker&status=shipped", ["1045"]),
        ("status=cancelled", ["1036"]),
        ("status=&limit=1", ["1051"]),
        ("customer=nobody", []),
    ],
)
def test_a_list_is_narrowed_by_customer_status_and_limit(service, query, ids):
    _, listed = ask(service, f"/orders?{query}")
    assert [order["id"] for order in listed["orders"]] == ids


@pytest.mark.parametrize("query", ["status=lost", "limit=0", "limit=101", "limit=-1", "limit=%C2%B2", "state=paid"])
def test_a_filter_that_means_nothing_is_refused_and_not_ignored(service, query):
    status, answer = ask(service, f"/orders?{query}")
    assert status == 422
    assert answer["error"]


def test_a_refund_without_an_amount_returns_all_that_is_left(service):
    assert refund(service, "1042", {"amount": 4.9})[0] == 201
    status, made = refund(service, "1042", {"reason": "arrived broken"})
    assert status == 201
    assert (made["amount"], made["currency"], made["reason"]) == (100.0, "EUR", "arrived broken")
    assert (made["left_to_refund"], made["order_status"]) == (0, "refunded")


def test_a_full_refund_changes_the_order_and_a_partial_one_only_what_is_left(service):
    refund(service, "1042", {"amount": 25.5})
    assert ask(service, "/orders/1042")[1]["status"] == "delivered"
    assert ask(service, "/orders/1042")[1]["refunded"] == 25.5
    refund(service, "1042")
    assert ask(service, "/orders/1042")[1]["status"] == "refunded"
    assert service.orders["1042"]["refunded"] == 104.9


def test_refunds_of_an_order_are_listed_in_the_order_they_were_made(service):
    refund(service, "1033", {"amount": 6.5, "reason": "one bulb missing"})
    refund(service, "1033", {"amount": 10})
    status, listed = ask(service, "/orders/1033/refunds")
    assert status == 200
    assert [(one["amount"], one["reason"]) for one in listed["refunds"]] == [(6.5, "one bulb missing"), (10.0, None)]
    assert listed["refunds"] == service.refunds("1033")


@pytest.mark.parametrize("amount", [0, -5, 0.001, 1.005, "5", True, [], 1e-300])
def test_an_amount_that_is_no_amount_is_refused(service, amount):
    status, answer = refund(service, "1042", {"amount": amount})
    assert status == 422
    assert "amount" in answer["error"]
    assert service.refunds("1042") == []


def test_more_than_what_is_left_is_a_conflict_that_says_what_is_left(service):
    refund(service, "1042", {"amount": 100})
    assert refund(service, "1042", {"amount": 5}) == (409, {"error": "only 4.90 EUR of order 1042 is left to refund"})
    assert refund(service, "1042", b'{"amount": 1e999999999}')[0] == 409
    assert refund(service, "1042", {"amount": 4.9})[0] == 201


def test_an_order_that_is_refunded_or_was_cancelled_is_a_conflict(service):
    assert refund(service, "1029") == (409, {"error": "order 1029 is already fully refunded"})
    status, answer = refund(service, "1036")
    assert status == 409
    assert "cancelled" in answer["error"]


def test_a_misspelled_key_does_not_refund_the_whole_order(service):
    assert refund(service, "1042", {"ammount": 5}) == (422, {"error": "a refund has amount and reason, not ammount"})
    assert service.refunds("1042") == []


def test_the_same_idempotency_key_gives_the_same_refund_once(service):
    first = refund(service, "1042", {"amount": 10}, key="k1")
    assert refund(service, "1042", {"amount": 10}, key="k1") == first
    assert len(service.refunds("1042")) == 1
    assert refund(service, "1042", {"amount": 10}, key="k2")[1]["id"] != first[1]["id"]


def test_an_idempotency_key_is_not_good_for_another_refund(service):
    refund(service, "1042", {"amount": 10}, key="k1")
    assert refund(service, "1042", {"amount": 11}, key="k1")[0] == 422
    assert refund(service, "1033", {"amount": 10}, key="k1")[0] == 422


def test_a_refused_refund_does_not_use_its_key_up(service):
    assert refund(service, "1042", {"amount": 1000}, key="k1")[0] == 409
    assert refund(service, "1042", {"amount": 10}, key="k1")[0] == 201


def test_refunds_at_once_never_return_more_than_was_paid(service):
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: refund(service, "1042", {"amount": 20})[0], range(16)))
    assert statuses.count(201) == 5
    assert statuses.count(409) == 11
    assert service.orders["1042"]["refunded"] == 100


@pytest.mark.parametrize("path", ["/orders/9999", "/orders/9999/refunds", "/customers", "/orders/", "/orders/1042/x"])
def test_what_does_not_exist_is_not_found(service, path):
    status, answer = ask(service, path)
    assert status == 404
    assert answer["error"]
    assert ask(service, path, method="HEAD") == (404, None)


def test_an_unknown_order_is_named_in_the_error(service):
    assert refund(service, "77") == (404, {"error": "there is no order 77"})


def test_a_method_that_a_path_does_not_have_is_refused(service):
    assert ask(service, "/orders/1042", method="DELETE")[0] == 405
    assert ask(service, "/orders/1042/refunds", method="PUT", body={})[0] == 405
    assert ask(service, "/orders", method="BREW")[0] == 501


def test_without_the_token_nothing_is_told(service):
    assert ask(service, "/orders/1042", token="wrong")[0] == 401
    status, answer = refund(service, "1042", token="wrong")
    assert (status, list(answer)) == (401, ["error"])
    assert service.refunds("1042") == []
    assert send_raw(service, "GET /v2/orders HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 401


@pytest.mark.parametrize("body", [b"{", b"[]", b"NaN", b'{"amount": NaN}', b"\xff", b"[" * 60_000])
def test_a_body_that_is_no_json_object_is_refused(service, body):
    status, answer = refund(service, "1042", body)
    assert status == 400
    assert "body" in answer["error"]
    assert service.refunds("1042") == []


def test_a_body_without_bounds_is_not_read(service):
    head = f"POST /v2/orders/1042/refunds HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.token}\r\n"
    assert send_raw(service, f"{head}Content-Length: {MAX_BODY_BYTES + 1}\r\n\r\n")[0] == 413
    assert send_raw(service, f"{head}Content-Length: {'9' * 5000}\r\n\r\n")[0] == 413
    assert send_raw(service, f"{head}Content-Length: many\r\n\r\n")[0] == 400
    assert send_raw(service, f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")[0] == 411


def test_a_connection_serves_request_after_request(service):
    address = urlsplit(service.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=WAIT_S)
    for body in ('{"amount": 1}', "{broken", '{"amount": 2}'):
        connection.request(
            "POST", "/v2/orders/1042/refunds", body=body, headers={"Authorization": f"Bearer {service.token}"}
        )
        response = connection.getresponse()
        response.read()
        assert not response.will_close
    connection.close()
    assert [one["amount"] for one in service.refunds("1042")] == [1.0, 2.0]


def test_every_service_starts_with_the_same_orders_and_its_own_token(service):
    refund(service, "1042")
    with OrderService() as other:
        assert other.orders["1042"]["status"] == "delivered"
        assert other.token != service.token
        assert other.url != service.url


def test_the_service_listens_on_loopback_alone_and_is_gone_after_its_block():
    with OrderService() as running:
        assert running.url.startswith("http://127.0.0.1:")
        assert ask(running, "/orders")[0] == 200
    with pytest.raises(urllib.error.URLError):
        ask(running, "/orders")


def test_it_is_quiet_unless_asked_to_be_verbose(capfd):
    with OrderService() as quiet:
        ask(quiet, "/orders/1042")
    assert capfd.readouterr() == ("", "")
    with OrderService(verbose=True) as loud:
        ask(loud, "/orders/1042")
    assert "GET /v2/orders/1042" in capfd.readouterr().err


# -- the command ----------------------------------------------------------------------------------------------


def demo(*args):
    return [sys.executable, "-m", "agentrun.demo", *args]


def test_a_command_finds_the_service_in_its_environment_and_lends_its_exit_code():
    look = (
        "import os, sys, urllib.request as r\n"
        "q = r.Request(os.environ['ORDERS_URL'] + '/orders/1042',"
        " headers={'Authorization': 'Bearer ' + os.environ['ORDERS_TOKEN']})\n"
        "print(r.urlopen(q, timeout=20).status, sys.stdin.read(), sys.argv[1:]); sys.exit(7)"
    )
    done = subprocess.run(
        demo("--", sys.executable, "-c", look, "--port", "--", "x"),
        input="typed",
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    )
    assert done.stdout.strip() == "200 typed ['--port', '--', 'x']"
    assert (done.returncode, done.stderr) == (7, "")


def test_a_command_that_is_not_there_is_named():
    done = subprocess.run(demo("--", "no-such-command"), capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 127
    assert done.stderr == "agentrun.demo: no-such-command: no such command\n"


def test_a_command_beside_the_interpreter_is_found_without_path():
    done = subprocess.run(
        demo("--", "python", "-c", "print('found')"),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env=os.environ | {"PATH": "/nowhere"},
    )
    assert done.stdout == "found\n"


def test_a_port_that_is_taken_is_told_in_one_line(service):
    port = str(urlsplit(service.url).port)
    done = subprocess.run(demo("--port", port, "--", "true"), capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 1
    assert done.stderr.startswith(f"agentrun.demo: can't listen on port {port}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_alone_it_prints_how_to_reach_it_and_ends_well_when_told_to(number):
    with subprocess.Popen(demo(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        lines = [process.stdout.readline() for _ in range(2)]
        wiring = dict(line.strip().removeprefix("export ").split("=", 1) for line in lines)
        request = urllib.request.Request(
            wiring["ORDERS_URL"] + "/orders", headers={"Authorization": "Bearer " + wiring["ORDERS_TOKEN"]}
        )
        with urllib.request.urlopen(request, timeout=WAIT_S) as response:
            assert response.status == 200
        process.send_signal(number)
        assert process.wait(WAIT_S) == 0


CHILD = """
import signal, sys, time
def told(number, frame):
    print("told", number, flush=True)
    sys.exit(number)
signal.signal(signal.SIGTERM, told)
try:
    print("ready", signal.getsignal(signal.SIGINT) is signal.default_int_handler, flush=True)
    while True:  # not signal.pause(): a signal just before it would be slept through
        time.sleep(0.05)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(5)
"""


def start_child():
    process = subprocess.Popen(
        demo("--", sys.executable, "-c", CHILD), stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout.readline() == "ready True\n"
    return process


def test_ctrl_c_is_the_commands_own_business():
    with start_child() as process:
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.wait(WAIT_S) == 5


def test_sigterm_is_passed_on_to_the_command():
    with start_child() as process:
        process.terminate()
        assert process.stdout.readline() == f"told {int(signal.SIGTERM)}\n"
        assert process.wait(WAIT_S) == signal.SIGTERM


def test_a_command_that_a_signal_ends_gives_128_and_the_signal():
    done = subprocess.run(demo("--", "sh", "-c", "kill -9 $$"), timeout=WAIT_S)
    assert done.returncode == 128 + signal.SIGKILL
