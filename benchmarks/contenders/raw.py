"""The limit: the standard library alone, for this task alone, with no failure foreseen."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from benchmarks.contenders import Ask, Told
from benchmarks.contenders.plain_loop import AT_ONCE, Turn, converse
from benchmarks.task import API_KEY


def open_contender(base_url: str) -> Ask:
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port)
    headers = {"content-type": "application/json", "authorization": f"Bearer {API_KEY}"}
    pool = ThreadPoolExecutor(AT_ONCE)

    def ask(question: str, told: Told) -> str:
        def take_turn(body: bytes) -> Turn:
            connection.request("POST", f"{address.path}/chat/completions", body, headers)
            turn = Turn(told)
            with connection.getresponse() as response:
                while piece := response.read1(65536):
                    turn.feed(piece)
            return turn

        return converse(question, take_turn, pool)

    return ask
