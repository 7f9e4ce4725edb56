"""Which addresses are public, whatever they are spelled like."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrun.tools.addresses import is_metadata, is_public, parse_address
from spelled_addresses import METADATA, PUBLIC, REFUSED


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
