"""Passwords and tokens as the configuration keeps them.

Passwords as argon2id hashes (RFC 9106, its second recommended option: 64 MiB, 3 passes). Tokens
are 256 random bits, of which a SHA-256 says nothing.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

TOKEN_PREFIX: Final = "jikimi_"  # noqa: S105 - so that scanners for secrets can find it

_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """Encoded, with a salt of its own; takes a tenth of a second and 64 MiB."""
    return _hasher.hash(_normal(password))


def is_password(password: str, hashed: str) -> bool:
    """Whether `hashed` was made of `password`; takes as long."""
    try:
        return _hasher.verify(hashed, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def new_token() -> str:
    """For one program."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def _normal(password: str) -> bytes:
    """However the keyboard composes Hangul (RFC 8265, 4.2, asks for as much)."""
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")
