"""Which network addresses lie outside: what we connect to for somebody else must not be our own machine or network.

Pure but for `resolve`; used by `http_client` and by the courier, whose library chooses the address itself.
"""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from voltway.kernel.errors import VoltwayError

_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")


class AddressRefused(VoltwayError):
    """A host name leads to a private, loopback or link-local address."""

    code = "address_refused"


def is_public(address: str) -> bool:
    """Whether an IP address is outside: global unicast, also what is embedded in an IPv6 address.

    >>> [is_public(it) for it in ("93.184.216.34", "10.0.0.1", "127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1")]
    [True, False, False, False, False]
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip in _LOCAL_NAT64 or ip.is_site_local:
            return False
        embedded = _embedded(ip)
        if embedded is not None:
            return is_public(str(embedded))
    return ip.is_global and not ip.is_multicast


def check_public(host: str, addresses: list[str]) -> None:
    """Raise AddressRefused where any address of a host lies inside (one of several may be the one that is used)."""
    inside = [address for address in addresses if not is_public(address)]
    if inside:
        raise AddressRefused(f"{host} leads to {inside[0]}, an address of a private network")


async def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host, asked once; raise AddressRefused for private ones, OSError for unknown hosts."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    if not allow_private:
        check_public(host, addresses)
    return addresses


def _embedded(ip: IPv6Address) -> IPv4Address | None:
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
