"""Which IP addresses are somebody's public server.

Everything that is not certainly public is inside. The tables are ours, not the ``ipaddress``
module's, whose answers differ between Python versions.

Sources: https://www.iana.org/assignments/iana-ipv4-special-registry and
https://www.iana.org/assignments/iana-ipv6-special-registry, from general knowledge of them.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

INSIDE_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 reaches loopback
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; holds Alibaba's metadata, 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's wire server: metadata at a public-looking address
        "169.254.0.0/16",  # link-local; holds most clouds' metadata, 169.254.169.254
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; holds Oracle's metadata, 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)

GLOBAL_V6: Final = IPv6Network("2000::/3")
"""The only part of IPv6 that is given out; what lies outside is loopback, private, multicast…"""

INSIDE_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "3fff::/20",  # documentation
    )
)

MAPPED: Final = IPv6Network("::ffff:0:0/96")
NAT64: Final = IPv6Network("64:ff9b::/96")  # https://www.rfc-editor.org/rfc/rfc6052
SIX_TO_FOUR: Final = IPv6Network("2002::/16")
ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)  # upper half of an interface id


def is_public(address: str) -> bool:
    """Whether an IP address, as text, can be connected to on behalf of a stranger.

    An IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4, ISATAP) is public only if
    that one is too.

    Raises:
        ValueError: it is no IP address.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in INSIDE_V4)
    if ip.scope_id is not None:
        return False  # of one link
    carried = _carried_by(ip)
    if carried is not None and not is_public(str(carried)):
        return False
    if ip in MAPPED or ip in NAT64:
        return True
    return ip in GLOBAL_V6 and not any(ip in network for network in INSIDE_V6)


def _carried_by(ip: IPv6Address) -> IPv4Address | None:
    bits = int(ip)
    if ip in MAPPED or ip in NAT64 or (bits >> 32) & 0xFFFF_FFFF in ISATAP:
        return IPv4Address(bits & 0xFFFF_FFFF)
    if ip in SIX_TO_FOUR:
        return IPv4Address((bits >> 80) & 0xFFFF_FFFF)
    return None
