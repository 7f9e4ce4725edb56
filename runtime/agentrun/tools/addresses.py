"""Which IP addresses a tool may reach when the model, or a server, chose the host.

Pure: spellings in, verdicts out. It knows no names and no sockets; `network.py` asks about every address that a
name resolves to. `ipaddress.is_global` alone is not enough: Python 3.11 lets multicast and several forms through
that carry a private IPv4 address inside an IPv6 one.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

# Where clouds hand credentials to whoever asks from inside. No tool has business there, whoever wrote the host.
_METADATA: frozenset[Address] = frozenset(
    {
        IPv4Address("169.254.169.254"),  # AWS, Google, Azure, DigitalOcean, Oracle, OpenStack
        IPv4Address("169.254.169.252"),  # Google, GKE's own
        IPv4Address("169.254.170.2"),  # AWS ECS tasks
        IPv4Address("169.254.170.23"),  # AWS EKS pod identity
        IPv4Address("169.254.0.23"),  # Tencent
        IPv4Address("169.254.42.42"),  # Scaleway
        IPv4Address("100.100.100.200"),  # Alibaba
        IPv4Address("192.0.0.192"),  # Oracle, classic
        IPv4Address("168.63.129.16"),  # Azure wire server
        IPv6Address("fd00:ec2::254"),  # AWS
        IPv6Address("fd00:ec2::23"),  # AWS EKS pod identity
        IPv6Address("fd20:ce::254"),  # Google
        IPv6Address("fd00:c1::a9fe:a9fe"),  # Oracle
        IPv6Address("fd00:42::42"),  # Scaleway
        IPv6Address("fd00:100::100:200"),  # Alibaba
        IPv6Address("fd00:a9fe:a9fe::1"),  # Akamai
        IPv6Address("fe80::a9fe:a9fe"),  # OpenStack
    }
)

_IPV4_NOT_PUBLIC = tuple(
    IPv4Network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays, retired
    )
)
_IPV6_UNICAST = IPv6Network("2000::/3")  # all that is handed out as globally routable
_IPV6_NOT_PUBLIC = (  # unknown to older Pythons
    IPv6Network("2002::/16"),  # 6to4, whose relays are retired
    IPv6Network("3fff::/20"),  # documentation
)

_NAT64 = 0x0064_FF9B << 64  # 64:ff9b::/96
_LOCAL_NAT64 = 0x0064_FF9B_0001  # 64:ff9b:1::/48
_MAPPED = 0xFFFF  # ::ffff:0:0/96
_TRANSLATED = 0xFFFF_0000  # ::ffff:0:0:0/96
_COMPATIBLE = 0  # ::/96
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)

_IPV4_SPELLING = re.compile(r"[0-9a-fx]+(\.[0-9a-fx]+){0,3}", re.IGNORECASE)


def parse_address(host: str) -> Address | None:
    """The address that a host is a spelling of, or None for a name.

    Takes what resolvers take: `127.1`, `0x7f000001`, `017700000001` and `2130706433` are all 127.0.0.1.
    """
    if ":" in host:
        try:
            return IPv6Address(host)
        except AddressValueError:
            return None
    if not _IPV4_SPELLING.fullmatch(host):
        return None
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def is_metadata(address: Address) -> bool:
    """Whether it is a cloud's metadata service, also when it hides inside an IPv6 address."""
    if isinstance(address, IPv6Address):
        return IPv6Address(int(address)) in _METADATA or any(is_metadata(inner) for inner in _embedded(address))
    return address in _METADATA


def is_public(address: Address) -> bool:
    """Whether everybody on the internet may reach it; nothing that is local, private or reserved."""
    if is_metadata(address) or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _IPV4_NOT_PUBLIC)
    if not all(is_public(inner) for inner in _embedded(address)):
        return False
    if int(address) >> 32 in (_MAPPED, _NAT64):
        return True  # stands for the public IPv4 address inside
    if address not in _IPV6_UNICAST or any(address in network for network in _IPV6_NOT_PUBLIC):
        return False
    return address.is_global


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that a translator, tunnel or host would read out of it."""
    bits = int(address)
    low = bits & 0xFFFF_FFFF
    if bits >> 32 in (_MAPPED, _TRANSLATED, _COMPATIBLE, _NAT64) or bits >> 80 == _LOCAL_NAT64:
        yield IPv4Address(low)
    if bits >> 80 == _LOCAL_NAT64:  # a translator's prefix may be shorter than 96 bits; octet 8 is then left out
        joined = bits >> 64 << 56 | bits & (1 << 56) - 1
        for prefix_bits in (48, 56, 64):
            yield IPv4Address(joined >> (88 - prefix_bits) & 0xFFFF_FFFF)
    if (bits >> 32) & 0xFFFF_FFFF in _ISATAP:
        yield IPv4Address(low)
    if bits >> 112 == 0x2002:  # 6to4
        yield IPv4Address((bits >> 80) & 0xFFFF_FFFF)
    if bits >> 96 == 0x2001_0000:  # Teredo
        yield IPv4Address(low ^ 0xFFFF_FFFF)
