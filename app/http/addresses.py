"""Addresses of clients: what is counted under them, and which are of this machine."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_IPV6_SITE = 64


def parsed(client: tuple[str, int] | None) -> IPv4Address | IPv6Address | None:
    """The client's address. None: nobody knows, or it is none of IP."""
    try:
        address = ip_address(client[0].partition("%")[0]) if client else None
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def address_of(client: tuple[str, int] | None) -> str:
    """The address that a client's connections are counted under. A client of IPv6 has a network of addresses."""
    address = parsed(client)
    if address is None:
        return client[0] if client else ""
    return str(ip_network((address, _IPV6_SITE), strict=False) if isinstance(address, IPv6Address) else address)
