"""A small name server over UDP that says what it is told to, one answer after the other."""

import ipaddress
import socketserver
import struct
import threading

A, CNAME, AAAA = 1, 5, 28
_KINDS = {A: 4, AAAA: 6}
_THE_QUESTIONS_NAME = b"\xc0\x0c"


class NameServer:
    """`names` maps a name to a list of answers: one for each time its IPv4 addresses are asked for, the last again.

    An answer is a list of addresses, or the name that it is an alias of. `asked` counts these questions.
    """

    def __init__(self, address, names):
        self._names = names
        self.asked = {}
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                query, socket = self.request
                socket.sendto(server._reply(query), self.client_address)

        self._server = socketserver.UDPServer((address, 53), Handler)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _reply(self, query):
        (number,) = struct.unpack_from("!H", query)
        name, end = _read_name(query, 12)
        (kind,) = struct.unpack_from("!H", query, end)
        records = self._records(name, kind)
        code = 0x8580 if name in self._names else 0x8583  # an answer with authority, or: no such name
        head = struct.pack("!6H", number, code, 1, len(records), 0, 0)
        return head + query[12 : end + 4] + b"".join(records)

    def _records(self, name, kind):
        answers = self._names.get(name)
        if answers is None or kind not in _KINDS:
            return []
        count = self.asked.get(name, 0)
        if kind == A:
            self.asked[name] = count + 1
        else:
            count = max(count - 1, 0)  # both kinds are asked for at once: the second belongs to the first
        answer = answers[min(count, len(answers) - 1)]
        if isinstance(answer, str):
            alias = _record(_THE_QUESTIONS_NAME, CNAME, _wire_name(answer))
            behind = self._names[answer][0]
            return [alias, *_addresses(_wire_name(answer), kind, behind)]
        return _addresses(_THE_QUESTIONS_NAME, kind, answer)


def _addresses(owner, kind, texts):
    addresses = [ipaddress.ip_address(text) for text in texts]
    return [_record(owner, kind, one.packed) for one in addresses if one.version == _KINDS[kind]]


def _record(owner, kind, data):
    return owner + struct.pack("!HHIH", kind, 1, 0, len(data)) + data


def _wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _read_name(query, start):
    """(name, where it ends)"""
    labels = []
    while length := query[start]:
        labels.append(query[start + 1 : start + 1 + length].decode().lower())
        start += 1 + length
    return ".".join(labels), start + 1
