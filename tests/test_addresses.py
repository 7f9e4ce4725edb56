"""Which addresses are public, whatever they are spelled like."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.tools.addresses import is_metadata, is_public, parse_address

REFUSED = [
    # loopback, and its spellings
    *("127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0X7F.0.0.1", "0x7f.1"),
    *("017700000001", "0177.0.0.1", "0177.1", "00000177.0.0.1", "127.0x0.0.01"),
    *("::1", "0:0:0:0:0:0:0:1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:0:127.0.0.1"),
    # this host
    *("0.0.0.0", "0", "0x0", "00", "0.0.0.1", "::", "::ffff:0.0.0.0"),
    # private networks
    *("10.0.0.1", "10.1", "0xa.1", "012.0.0.1", "167772161", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
    *("192.168.1", "0xc0a80001", "3232235521", "::ffff:10.0.0.1", "::ffff:c0a8:1", "::192.168.0.1"),
    *("fc00::1", "fd12:3456:789a::1", "fec0::1", "fe80::1", "fe80::1%eth0"),
    # an IPv4 address inside
    *(
        "64:ff9b::10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:1::a00:1",
        "2002:a00:1::",
        "2002:7f00:1::1",
    ),
    *("2002:c0a8:101::1", "2001:4860::5efe:10.0.0.1", "2001:4860::200:5efe:192.168.0.1", "fe80::5efe:10.0.0.1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "::8.8.8.8"),
    # shared, special, documentation, benchmarks, reserved, multicast
    *("100.64.0.1", "100.127.255.254", "169.254.1.1", "192.0.0.1", "192.0.0.9", "192.0.2.1", "192.88.99.1"),
    *("198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("ff02::1", "ff0e::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "4000::1", "2001:10::1"),
]

METADATA = [
    *("169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518", "0xa9.0xfe.0xa9.0xfe"),
    *("::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::169.254.169.254", "64:ff9b::169.254.169.254"),
    *("64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::", "2001:db8::5efe:a9fe:a9fe", "::ffff:0:a9fe:a9fe"),
    *("169.254.170.2", "169.254.170.23", "100.100.100.200", "192.0.0.192", "168.63.129.16", "0xa83f8110"),
    *("fd00:ec2::254", "fd20:ce::254", "fd00:0ec2:0:0:0:0:0:0254"),
]

PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "134744072", "0x08080808", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.15.0.1"),
    *("172.32.0.1", "192.0.1.1", "192.88.98.1", "198.17.0.1", "198.20.0.1", "223.255.255.255", "168.63.129.17"),
    *("169.253.0.1", "11.0.0.1", "126.0.0.1", "128.0.0.1", "2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"),
]


@pytest.mark.parametrize("spelling", REFUSED)
def test_an_address_that_is_not_everybodys_is_not_public(spelling):
    address = parse_address(spelling)
    assert address is not None
    assert not is_public(address)


@pytest.mark.parametrize("spelling", METADATA)
def test_a_metadata_service_is_known_in_every_spelling(spelling):
    address = parse_address(spelling)
    assert address is not None
    assert is_metadata(address)
    assert not is_public(address)


@pytest.mark.parametrize("spelling", PUBLIC)
def test_a_public_address_is_public(spelling):
    address = parse_address(spelling)
    assert address is not None
    assert is_public(address)
    assert not is_metadata(address)


def test_the_lists_are_long_enough_to_mean_something():
    assert len(set(REFUSED + METADATA)) >= 60


@pytest.mark.parametrize(
    "name",
    ["", "localhost", "example.com", "1.2.3.4.5", "256.1.1.1", "127.0.0.1 x", "08.1.1.1", "0x", "cafe.beef.com", ":"],
)
def test_a_name_is_no_address(name):
    assert parse_address(name) is None


@given(st.ip_addresses(v=4))
def test_every_spelling_of_an_ipv4_address_is_that_address(address):
    a, b, c, d = address.packed
    number = int(address)
    spellings = [str(number), hex(number), f"0{number:o}", f"{a}.{number & 0xFFFFFF}", f"{a}.{b}.{c << 8 | d}"]
    spellings += [f"0{a:o}.0x{b:x}.{c}.{d}"]
    assert [parse_address(text) for text in spellings] == [address] * len(spellings)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_one_is_never_more_public_than_alone(address):
    low = int(address)
    forms = [low, 0xFFFF << 32 | low, 0xFFFF << 48 | low, 0x64FF9B << 96 | low, 0x64FF9B0001 << 80 | low]
    forms += [0x2002 << 112 | low << 80, 0x2606 << 112 | 0x5EFE << 32 | low, 0x2606 << 112 | 0x2005EFE << 32 | low]
    for bits in forms:
        inside = ipaddress.IPv6Address(bits)
        assert is_public(address) or not is_public(inside), inside
        assert is_metadata(inside) or not is_metadata(address), inside


@given(st.ip_addresses())
def test_nothing_public_is_what_python_calls_private(address):
    if is_public(address) and not (address.version == 6 and address.ipv4_mapped):
        assert address.is_global
        assert not address.is_multicast
