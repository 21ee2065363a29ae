"""Which addresses lie outside: no spelling of an inner address passes for one."""

from ipaddress import IPv4Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voltway.infra.addresses import AddressRefused, check_public, is_public, resolve

INSIDE = [ip_network(it) for it in ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
                                    "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4")]  # fmt: skip


@pytest.mark.parametrize(
    ("address", "outside"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1:248:1893:25c8:1946", True), ("::", False), ("::1", False),
        ("fe80::1", False), ("fe80::1%eth0", False), ("fc00::1", False), ("fd12::1", False), ("ff02::1", False),
        ("fec0::1", False), ("255.255.255.255", False), ("64:ff9b:1::1", False), ("2001:db8::1", False),
    ],
)  # fmt: skip
def test_known_addresses(address: str, outside: bool) -> None:  # noqa: FBT001 - a table's column
    assert is_public(address) is outside


@given(st.integers(0, 2**32 - 1))
def test_an_inner_address_stays_inside_however_it_is_wrapped(number: int) -> None:
    """IPv4-mapped, 6to4, NAT64: judged by what is inside."""
    plain = IPv4Address(number)
    wrapped = [f"::ffff:{plain}", f"64:ff9b::{plain}", f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1"]
    for address in wrapped:
        assert is_public(address) is is_public(str(plain))
    if any(plain in network for network in INSIDE):
        assert not is_public(str(plain))


def test_one_inner_address_of_several_is_enough() -> None:
    """Which of them is used is not ours to choose."""
    with pytest.raises(AddressRefused, match=r"mixed\.test leads to 10\.0\.0\.1"):
        check_public("mixed.test", ["8.8.8.8", "10.0.0.1"])
    check_public("outside.test", ["8.8.8.8"])


async def test_names_are_looked_up_once_and_judged() -> None:
    with pytest.raises(AddressRefused):
        await resolve("localhost", 80, allow_private=False)
    assert set(await resolve("localhost", 80, allow_private=True)) <= {"127.0.0.1", "::1"}
    with pytest.raises(AddressRefused):
        await resolve("2130706433", 80, allow_private=False)
