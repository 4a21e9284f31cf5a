"""What a camera asks for at a log-in, and the answers to it (RFC 7616, 7617).

libav knows Basic and MD5 digest, and takes the last digest that is offered, whatever its kind.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

_LINE = re.compile(r"(?im)^www-authenticate:[ \t]*(.*?)\r?$")
_SCHEME = re.compile(r"(?i)(?:^|,\s*)(basic|digest)(?:\s+|$)")
_PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s,]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """One kind of log-in: `algorithm` as the camera writes it, MD5 where it writes none."""

    digest: bool
    realm: str = ""
    nonce: str = ""
    algorithm: str = "MD5"
    qop: tuple[str, ...] = ()
    opaque: str | None = None

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.algorithm} digest" if self.digest else "Basic"

    @property
    def known_to_libav(self) -> bool:
        """Whether libav can answer it."""
        return not self.digest or self.algorithm in {"MD5", "MD5-sess"}

    @property
    def rank(self) -> int | None:
        """The one to take first is 0: MD5 goes before SHA-256, Basic last; None: unknown."""
        if not self.digest:
            return 2
        if self.qop and "auth" not in self.qop:
            return None
        kind = self.algorithm.upper().removesuffix("-SESS")
        return {"MD5": 0, "SHA-256": 1}.get(kind)


def challenges(head: str) -> list[Challenge]:
    """All that the head of an answer offers, in its order."""
    found = []
    for line in _LINE.findall(head):
        _, *parts = _SCHEME.split(line)
        for scheme, text in zip(parts[::2], parts[1::2], strict=True):
            given = {key.lower(): quoted or bare for key, quoted, bare in _PARAMETER.findall(text)}
            found.append(
                Challenge(
                    digest=scheme.lower() == "digest",
                    realm=given.get("realm", ""),
                    nonce=given.get("nonce", ""),
                    algorithm=given.get("algorithm") or "MD5",
                    qop=tuple(re.split(r"[\s,]+", given["qop"])) if given.get("qop") else (),
                    opaque=given.get("opaque"),
                )
            )
    return found


def best(offered: Sequence[Challenge]) -> Challenge | None:
    """The one to answer; None where none can be answered."""
    answerable = [one for one in offered if one.rank is not None]
    return min(answerable, key=lambda one: one.rank or 0, default=None)


class Answers:
    """The answers to one challenge, request by request; for one thread."""

    def __init__(self, challenge: Challenge, user: str, password: str) -> None:
        self.challenge = challenge
        self._user = user
        self._password = password
        self._count = 0
        self._cnonce = secrets.token_hex(8)

    def to(self, method: str, uri: str) -> str:
        """What to write after `Authorization:` for this request."""
        asked = self.challenge
        if not asked.digest:
            login = f"{self._user}:{self._password}".encode()
            return f"Basic {base64.b64encode(login).decode()}"
        self._count += 1
        count = f"{self._count:08x}"
        secret = self._hashed(f"{self._user}:{asked.realm}:{self._password}")
        if asked.algorithm.upper().endswith("-SESS"):
            secret = self._hashed(f"{secret}:{asked.nonce}:{self._cnonce}")
        between = f"{count}:{self._cnonce}:auth:" if asked.qop else ""
        request = self._hashed(f"{method}:{uri}")
        response = self._hashed(f"{secret}:{asked.nonce}:{between}{request}")
        written = [
            f'username="{self._user}"',
            f'realm="{asked.realm}"',
            f'nonce="{asked.nonce}"',
            f'uri="{uri}"',
            f'response="{response}"',
            f"algorithm={asked.algorithm}",
        ]
        if asked.opaque is not None:
            written.append(f'opaque="{asked.opaque}"')
        if asked.qop or asked.algorithm.upper().endswith("-SESS"):
            written += [f"qop=auth, nc={count}", f'cnonce="{self._cnonce}"']
        return f"Digest {', '.join(written)}"

    def _hashed(self, text: str) -> str:
        kind = self.challenge.algorithm.upper()
        data = text.encode("utf-8", "surrogateescape")
        if kind.startswith("SHA-256"):
            return hashlib.sha256(data).hexdigest()
        return hashlib.md5(data, usedforsecurity=False).hexdigest()
