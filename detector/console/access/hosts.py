"""Under which names the console answers.

A page of somebody else's may have its own name point here (DNS rebinding) and would then be of the
same origin. It has no way to be reached by an address, so addresses are all allowed.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_known_host(host: str, names: Collection[str]) -> bool:
    """Whether `host`, with or without port, is an address, localhost or among `names`."""
    name = _name(host)
    if name is None:
        return False
    try:
        ip_address(name)
    except ValueError:
        return name == "localhost" or name in {known.lower().rstrip(".") for known in names}
    return True


def is_same_origin(origin: str, host: str, names: Collection[str]) -> bool:
    """Whether a page of `origin` is ours, who were asked as `host`.

    A proxy may ask under another name than the browser's, which then is among `names`.
    """
    asked = urlsplit(origin)
    if asked.scheme not in {"http", "https"} or not asked.netloc:
        return False
    if asked.netloc.lower() == host.lower():
        return True
    return _name(asked.netloc) in {known.lower().rstrip(".") for known in names}


def _name(host: str) -> str | None:
    try:
        found = urlsplit(f"//{host}")
        _ = found.port  # raises ValueError where it is none
    except ValueError:
        return None
    if found.netloc != host or "@" in host or found.hostname is None:
        return None
    return found.hostname.lower().rstrip(".")
