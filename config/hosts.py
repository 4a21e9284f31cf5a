"""Names and addresses of machines, as sinks and the HTTP server are given them."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated

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
