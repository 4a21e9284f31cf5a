"""Names and addresses of machines, as sinks and the HTTP server are given them."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?", re.ASCII)
_LONGEST_LABEL = 63
_LONGEST_NAME = 253


def is_host(text: str) -> bool:
    """Whether `text` is an IP address or a name that DNS can be asked for."""
    try:
        ip_address(text)
    except ValueError:
        pass
    else:
        return True
    try:
        name = text.encode("idna").decode("ascii").removesuffix(".")
    except UnicodeError:
        return False
    labels = name.split(".")
    if all(label.isdigit() for label in labels) and len(labels) == 4:
        return False  # an address with a number beyond 255
    return len(name) <= _LONGEST_NAME and all(
        len(label) <= _LONGEST_LABEL and _LABEL.fullmatch(label) for label in labels
    )


def _checked(text: str) -> str:
    if not is_host(text):
        raise ValueError("is no host; write a name or an address alone, e.g. 192.0.2.10")
    return text


Host = Annotated[str, AfterValidator(_checked)]
"""A host as a setting."""


def _checked_address(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(
            "is no address; write one or a network, e.g. 192.0.2.10 or 192.0.2.0/24"
        ) from None
    return text


Address = Annotated[str, AfterValidator(_checked_address)]
"""An IP address, or a network of them, as a setting."""


def _split(text: str, write: str) -> tuple[SplitResult, str, int | None]:
    """The parts of a URL, its host and port; raises ValueError, which says to `write` another."""
    try:
        parts = urlsplit(text)
        port = parts.port  # raises where it is none
    except ValueError:  # whose text holds the URL
        raise ValueError(f"has no good host or port; {write}") from None
    return parts, parts.hostname or "", port


def _place(host: str) -> str:
    """As it stands in a URL, in the letters in which browsers ask for it."""
    return f"[{host}]" if ":" in host else host.encode("idna").decode()


def _checked_url(text: str) -> str:
    write = "write scheme, host and, if need be, port, e.g. https://jikimi.example"
    parts, host, port = _split(text, write)
    if "@" in text:
        raise ValueError(f"holds a user or password, which everybody told would see; {write}")
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"does not begin with https:// or http://; {write}")
    if not is_host(host) or port == 0 or not text.isprintable() or " " in text:
        raise ValueError(f"has no good host or port; {write}")
    if parts.path not in {"", "/"} or "?" in text or "#" in text:
        raise ValueError(f"holds a path, but the console is served at the root alone; {write}")
    place = f"{parts.scheme}://{_place(host)}"
    return place if port is None else f"{place}:{port}"


PublicUrl = Annotated[str, AfterValidator(_checked_url)]
"""Where people reach the console, as a setting: scheme and authority (RFC 3986), nothing else."""


def _checked_serve_url(text: str) -> str:
    write = "write http://, host and port, e.g. http://gpu-1:8000"
    parts, host, port = _split(text, write)
    if parts.scheme != "http" or "@" in text or parts.path not in {"", "/"} or "?" in text:
        raise ValueError(f"is no address of a GPU box; {write}")
    if not is_host(host) or not port:
        raise ValueError(f"has no good host or port; {write}")
    return f"http://{_place(host)}:{port}"


ServeUrl = Annotated[str, AfterValidator(_checked_serve_url)]
"""Where `jikimi cluster serve` answers, as a setting: scheme, host and port."""
