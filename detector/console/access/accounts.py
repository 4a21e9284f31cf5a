"""What the configuration says of accounts and tokens, as it stands now: a reload counts at once."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import partial
from typing import Final

from config.settings import AccessSettings, AccountSettings, Settings
from detector.console.access.passwords import hash_token, is_password
from detector.console.access.sessions import Session, Sessions
from detector.console.access.user import Role, User

LOCAL_ADMIN: Final = "local admin"
"""Who came by a one-time link; no account can be called so, for a space is in it."""


class Accounts:
    """Those of `settings()`. `is_local`: whether only this machine can reach the server."""

    def __init__(self, settings: Callable[[], Settings], is_local: bool) -> None:
        self._settings = settings
        self.is_local = is_local

    @property
    def any(self) -> bool:
        """Whether anybody has one."""
        return bool(self._accounts)

    @property
    def takes_links(self) -> bool:
        """Whether a one-time link lets somebody in."""
        return self.is_local and not self.any

    def of_session(self, session: Session, sessions: Sessions) -> User | None:
        """Who that is now; None where the account has another password, or is gone."""
        if not session.name:
            return User(LOCAL_ADMIN, Role.ADMIN) if self.takes_links else None
        account = self._accounts.get(session.name)
        if account is None:
            return None
        mark = sessions.mark(account.password.get_secret_value())
        return self._user(session.name, account) if mark == session.mark else None

    def of_token(self, token: str) -> User | None:
        """The program that has `token`."""
        digest = hash_token(token)
        for name, settings in self._settings().http.tokens.items():
            if hmac.compare_digest(settings.sha256.get_secret_value(), digest):
                return self._user(f"token {name}", settings)
        return None

    def password_of(self, name: str, password: str) -> str | None:
        """The hash of `name`'s password, if `password` is it. Takes a tenth of a second.

        For a name that nobody has it takes as long.
        """
        accounts = self._accounts
        if not accounts:
            return None
        account = accounts.get(name)
        hashed = (account or next(iter(accounts.values()))).password.get_secret_value()
        is_right = is_password(password, hashed)
        return hashed if account is not None and is_right else None

    def has(self, name: str) -> bool:
        """Whether there is such an account."""
        return name in self._accounts

    @property
    def _accounts(self) -> dict[str, AccountSettings]:
        return self._settings().http.accounts

    def _user(self, name: str, access: AccessSettings) -> User:
        limited = bool(access.sites or access.cameras)
        role = Role[access.role.upper()]
        if not limited:
            return User(name, role)
        return User(name, role, partial(self._sees, access), limited, partial(_is_within, access))

    def _sees(self, access: AccessSettings, camera: str) -> bool:
        """As a route takes cameras; of one that is not watched any more the site is unknown."""
        sites = {one.name: one.site for one in self._settings().cameras}
        return _is_within(access, camera, sites.get(camera))


def _is_within(access: AccessSettings, camera: str, site: str | None) -> bool:
    if access.cameras and camera not in access.cameras:
        return False
    return not access.sites or site in access.sites
