"""Who asks, and what that person may see and do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """Each may do all that the one before it may."""

    VIEWER = 1
    """Sees cameras, incidents and what is kept of them."""
    OPERATOR = 2
    """Judges, mutes, confirms, drills."""
    ADMIN = 3
    """Draws zones, exports evidence, reads the audit."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is logged in. `sees`: whether a camera, by its name, is within the account.

    `limited`: it does not see all of them.
    """

    name: str
    role: Role
    sees: Callable[[str], bool] = lambda _: True
    limited: bool = False
