"""Addresses as people type them and as cameras return them. Pure.

A camera tells where its services and streams are, and often gets it wrong: behind NAT, with two
network interfaces, after a change of its address. What is certain is the host that answered.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from config.errors import UsageError
from config.hosts import is_host

SERVICE_PATH = "/onvif/device_service"
"""ONVIF Core Specification 5.1.1: where every device has its device service."""


def device_service(typed: str) -> str:
    """The device service of `HOST`, `HOST:PORT` or a whole http(s) URL; raises UsageError."""
    if "@" in typed:  # not to be quoted: what stands before it is a log-in
        raise UsageError("HOST: holds a log-in; give the host alone, and the user as --user")
    text = typed if "://" in typed else f"http://{_bracketed(typed)}"
    try:
        parts = urlsplit(text)
        fit = parts.scheme in {"http", "https"} and is_host(parts.hostname or "")
        port = parts.port  # raises ValueError
    except ValueError:
        fit = False
    if not fit or parts.query or parts.fragment:
        raise UsageError("HOST: write a name or address, with :PORT where it is not 80")
    place = _bracketed(parts.hostname or "") + ("" if port is None else f":{port}")
    return f"{parts.scheme}://{place}{parts.path.rstrip('/') or SERVICE_PATH}"


def host_of(url: str) -> str:
    """The host in `url`, without brackets; raises ValueError where there is none."""
    host = urlsplit(url).hostname
    if not host:
        raise ValueError("has no host")
    return host


def service_at(given: str, asked: str, same: Collection[str]) -> str:
    """A service's address as the camera gave it, at the host that answers at `asked`.

    `same`: the addresses of that host. Another one is replaced with its port, for a camera
    behind NAT is reached by one forwarded port. Raises ValueError.
    """
    parts = urlsplit(given)
    if parts.scheme not in {"http", "https"}:
        raise ValueError("is no web address")
    if host_of(given) in same:
        return given
    there = urlsplit(asked)
    return parts._replace(scheme=there.scheme, netloc=there.netloc).geturl()


def stream_at(given: str, asked: str, same: Collection[str]) -> tuple[str, str | None]:
    """A stream's address as the camera gave it, without log-in, at the host asked.

    With the camera's own host, where that is not among `same`. Its port stays. Raises ValueError.
    """
    parts = urlsplit(given.strip())
    host = host_of(given.strip())
    port = f":{parts.port}" if parts.port is not None else ""
    moved = parts._replace(netloc=f"{_bracketed(host_of(asked))}{port}")
    return moved.geturl(), None if host in same else host


def nearest(addresses: Collection[str], sender: str) -> str:
    """Of a device's addresses the one at `sender`, the IP address that it answered from.

    Where it names others only, the first of them, moved there; its usual one where it names none.
    """
    usable = [parts for text in addresses if (parts := _web(text))]
    for parts in usable:
        if parts.hostname == sender:
            return parts.geturl()
    if not usable:
        return device_service(sender)
    port = f":{usable[0].port}" if usable[0].port is not None else ""
    return usable[0]._replace(netloc=f"{_bracketed(sender)}{port}").geturl()


def _web(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError
    except ValueError:
        return None
    return parts if parts.scheme in {"http", "https"} and parts.hostname else None


def _bracketed(host: str) -> str:
    """`host` as a URL has it: an IPv6 address in brackets."""
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
