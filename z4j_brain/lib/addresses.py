"""Which network addresses are of the world, and of nothing near us."""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: Carrier-grade NAT, and the relays of 6to4.
_NEAR = [ipaddress.ip_network(text) for text in ("100.64.0.0/10", "192.88.99.0/24")]
#: Networks whose addresses stand for an IPv4 address: translated (NAT64), carried (6to4, Teredo), or discarded.
_CARRIERS = [ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]


def is_public(address: Address) -> bool:
    """Is this an address of the world, and of nothing near us, however it is written?"""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None or any(address in carrier for carrier in _CARRIERS):
            return False
        if address.is_site_local:
            return False
    elif any(address in near for near in _NEAR):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def read(text: str) -> Address:
    """An address as the system tells it, with or without its zone. Raises ValueError for what is none."""
    return ipaddress.ip_address(text.partition("%")[0])
