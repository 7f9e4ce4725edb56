"""An internet of one machine: addresses on `lo`, HTTP servers on them, a name server, and files that lead to it.

Only for a process that has network and mount namespaces to itself.
"""

import subprocess
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET, AF_INET6
from urllib.parse import parse_qs, urlsplit

from name_server import NameServer

CREDENTIAL = "AKIA-of-the-machine"
SITE, SITE_6, OTHER = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "93.184.215.15"
METADATA = ["169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"]
PRIVATE = ["10.0.0.5", "192.168.7.7", "fd12:3456::7"]
LOCAL = ["127.0.0.1", "::1"]
NAME_SERVER = "127.0.0.53"

NAMES = {
    "plain.example": [[SITE]],
    "six.example": [[SITE_6]],
    "other.example": [[OTHER]],
    "intranet.example": [["10.0.0.5"]],
    "metadata.example": [["169.254.169.254"]],
    "mixed.example": [[SITE, "169.254.169.254"]],
    "mixed-private.example": [["10.0.0.5", SITE]],
    "mixed-six.example": [[SITE, "fd00:ec2::254"]],
    "alias.example": ["metadata.example"],
    "alias-private.example": ["intranet.example"],
    "mapped.example": [["::ffff:169.254.169.254"]],
    "mapped-private.example": [["::ffff:10.0.0.5"]],
    "loopback.example": [["127.0.0.1"]],
    "zero.example": [["0.0.0.0"]],  # the kernel takes it for 127.0.0.1
}
# One name for each test that uses one, because a name server remembers how often it was asked.
NAMES |= {f"rebind-{number}.example": [[SITE], ["169.254.169.254"]] for number in range(10)}
NAMES |= {f"rebind-private-{number}.example": [[SITE], ["10.0.0.5"]] for number in range(10)}

_FILES = {
    "/etc/resolv.conf": f"nameserver {NAME_SERVER}\noptions timeout:2 attempts:2\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
}


class World:
    """`sites` maps an address to its server."""

    def __init__(self, folder):
        self._folder = folder
        self._open = ExitStack()

    def __enter__(self):
        run("ip", "link", "set", "lo", "up")
        for address in [SITE, SITE_6, OTHER, *METADATA, *PRIVATE]:
            run("ip", "address", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo")
        for path, text in _FILES.items():
            file = self._folder / Path(path).name
            file.write_text(text)
            run("mount", "--bind", file, path)
        if Path("/run/nscd").is_dir():  # a cache outside would answer through its socket
            run("mount", "-t", "tmpfs", "none", "/run/nscd")
        self.names = self._open.enter_context(NameServer(NAME_SERVER, NAMES))
        every = [SITE, SITE_6, OTHER, *METADATA, *PRIVATE, *LOCAL]
        self.sites = {address: self._open.enter_context(Site(address)) for address in every}
        return self

    def __exit__(self, *_):
        self._open.close()

    def forget(self):
        for site in self.sites.values():
            site.requests.clear()

    @property
    def reached(self):
        """The addresses that were asked for anything since `forget`."""
        return {address for address, site in self.sites.items() if site.requests}


class Site:
    """`/to?<url>` redirects there, `/busy` is never available; all else tells a credential, if it isn't a public site.

    Every answer ends its connection, so each request makes a new one.
    """

    def __init__(self, address):
        said = "a public page" if address in (SITE, SITE_6, OTHER) else CREDENTIAL
        self.requests = requests = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                requests.append((self.path, dict(self.headers)))
                url = urlsplit(self.path)
                self.send_response({"/to": 302, "/busy": 503}.get(url.path, 200))
                if url.path == "/to":
                    self.send_header("Location", parse_qs(url.query)["url"][0])
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                self.wfile.write(said.encode())

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            address_family = AF_INET6 if ":" in address else AF_INET
            daemon_threads = True

            def server_bind(self):
                self.socket.bind(self.server_address)  # the inherited one asks for the name of the address
                self.server_name, self.server_port = address, 80

        self._server = Server((address, 80), Handler)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def run(*command):
    subprocess.run(command, check=True, timeout=10)
