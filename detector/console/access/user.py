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

    `limited`: it does not see all of them. `within`: as `sees`, by the camera's name and site;
    None: as `sees`, whatever the site.
    """

    name: str
    role: Role
    sees: Callable[[str], bool] = lambda _: True
    limited: bool = False
    within: Callable[[str, str], bool] | None = None

    def sees_at(self, camera: str, site: str) -> bool:
        """As `sees`, of a camera that another box may watch: its site is not known here."""
        return self.within(camera, site) if self.within else self.sees(camera)
