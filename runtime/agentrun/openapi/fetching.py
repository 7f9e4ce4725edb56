"""A document from a URL: over https or from this machine, from the host that was written, bounded in size and time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from agentrun.openapi.problems import DocumentProblem
from agentrun.openapi.sources import refused_url
from agentrun.openapi.text import MAX_BYTES

if TYPE_CHECKING:
    import httpx2

MAX_SECONDS = 60.0
MAX_REDIRECTS = 5


def fetched(url: str) -> bytes:
    """Opens a connection. Raises `DocumentProblem`, whose message is the end of a sentence."""
    import httpx2

    deadline = time.monotonic() + MAX_SECONDS
    try:
        with httpx2.Client(timeout=MAX_SECONDS / 4, follow_redirects=False, trust_env=False) as client:
            return _read(client, url, deadline)
    except httpx2.TimeoutException:
        raise DocumentProblem(f"it didn't come within {MAX_SECONDS:g} seconds") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise DocumentProblem(f"it can't be reached ({type(error).__name__})") from None


def _read(client: httpx2.Client, url: str, deadline: float) -> bytes:
    first = urlsplit(url)
    for _ in range(MAX_REDIRECTS):
        if (why := refused_url(url)) is not None:
            raise DocumentProblem(why)
        if urlsplit(url).hostname != first.hostname:
            raise DocumentProblem(f"its server sends on to another host, {urlsplit(url).hostname}")
        with client.stream("GET", url, headers={"accept": "application/json, application/yaml, */*"}) as response:
            if response.is_redirect and "location" in response.headers:
                url = urljoin(url, response.headers["location"])
                continue
            if response.status_code != 200:
                raise DocumentProblem(f"its server answers with status {response.status_code}")
            content = bytearray()
            for piece in response.iter_bytes():
                content += piece
                if len(content) > MAX_BYTES:
                    raise DocumentProblem(f"it is larger than {MAX_BYTES // 1024**2} MiB")
                if time.monotonic() > deadline:
                    raise DocumentProblem(f"it didn't come within {MAX_SECONDS:g} seconds")
            return bytes(content)
    raise DocumentProblem("its server sends on too often")
