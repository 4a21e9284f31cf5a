"""Who is logged in: sessions in a signed cookie, so that a restart ends none.

What is remembered here is only which were ended before their time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from itsdangerous import BadData, URLSafeSerializer

from detector.console.access.key_file import KeyFile

IDLE_S = 12 * 3600
"""A night shift; who does nothing for so long has to log in again."""

LONGEST_S = 7 * 24 * 3600
RENEW_S = 300
"""How often the cookie is written anew with the time of the last request."""

ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Session:
    """Of the account `name`; "": of who came by a one-time link. Times are Unix time.

    `mark` stands for the password by which it began, so that another one ends it.
    """

    id: str
    name: str
    mark: str
    began_s: int
    seen_s: int


class Sessions:
    """Begins, knows and ends them. A clock that is set back ends none."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """`path`: where the key is kept."""
        self._now = now
        self._file = KeyFile(path, now)
        self._serializer = URLSafeSerializer(
            self._file.key,
            salt="session",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def begin(self, name: str, password_hash: str) -> Session:
        """A new one, of an id that nobody knew before."""
        now_s = int(self._now())
        return Session(
            secrets.token_urlsafe(ID_BYTES), name, self.mark(password_hash), now_s, now_s
        )

    def cookie(self, session: Session) -> str:
        """What stands for it in a cookie."""
        return str(self._serializer.dumps(asdict(session)))

    def read(self, cookie: str) -> Session | None:
        """The session of `cookie`; None where that is none of ours, or is over."""
        try:
            session = Session(**self._serializer.loads(cookie))
        except (BadData, TypeError):
            return None
        return session if self.is_on(session) else None

    def is_on(self, session: Session) -> bool:
        """Whether it was neither ended nor has run out."""
        now_s = self._now()
        return (
            now_s - session.seen_s <= IDLE_S
            and now_s - session.began_s <= LONGEST_S
            and not self._file.has_ended(session.id)
        )

    def renewed(self, session: Session) -> Session | None:
        """As of now; None while that is not due."""
        now_s = int(self._now())
        return replace(session, seen_s=now_s) if now_s - session.seen_s >= RENEW_S else None

    def end(self, session: Session) -> None:
        """Take it from nobody any more; waits for the disk."""
        self._file.end(session.id, self._now() + LONGEST_S)

    def mark(self, password_hash: str) -> str:
        """Stands for a password's hash, and says nothing of it."""
        return self._signed("mark", password_hash)[:32]

    def csrf(self, visitor: str) -> str:
        """What a form must bring along that was given to `visitor`, the id of a session or not."""
        return self._signed("csrf", visitor)

    def _signed(self, purpose: str, text: str) -> str:
        return hmac.new(self._file.key, f"{purpose} {text}".encode(), hashlib.sha256).hexdigest()
