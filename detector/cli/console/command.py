"""`jikimi console`, the page's address, and `jikimi password`, what the configuration wants."""

from __future__ import annotations

import argparse
import sys
from getpass import getpass
from typing import Any

from config.errors import UsageError
from detector.cli.asking import add_state_dir, ask_daemon

LEAST = 8
"""Characters of a password (NIST SP 800-63B, 3.1.1.2)."""


def add_commands(commands: Any) -> None:
    """Add both."""
    console = commands.add_parser(
        "console",
        help="the page's address; without accounts, with a link that lets you in",
        description="Print the address of the running daemon's page. Where it has no accounts "
        "and only this machine can reach it, the address lets in whoever opens it first, once, "
        "within ten minutes.",
    )
    add_state_dir(console)
    console.set_defaults(run=_console)

    password = commands.add_parser(
        "password",
        help="the hash of a password, or a token, for http.accounts and http.tokens",
        description="Ask for a password twice and print its argon2id hash, for password: of an "
        "account in http.accounts. What is piped in is read as one line.",
    )
    password.add_argument(
        "--token",
        action="store_true",
        help="instead make a token for a program: print it, and its SHA-256 for http.tokens",
    )
    password.set_defaults(run=_password)


def _console(chosen: argparse.Namespace) -> int:
    print(ask_daemon(chosen, "console")["url"])
    return 0


def _password(chosen: argparse.Namespace) -> int:
    from detector.console.access import passwords  # noqa: PLC0415 - only who asks waits for it

    if chosen.token:
        token = passwords.new_token()
        print(f"token   {token}")
        print(f"sha256  {passwords.hash_token(token)}")
        return 0
    print(passwords.hash_password(_asked()))
    return 0


def _asked() -> str:
    """What is typed, twice, or piped in."""
    if not sys.stdin.isatty():
        return _fit(sys.stdin.readline().rstrip("\r\n"))
    password = _fit(getpass("Password: "))
    if getpass("Once more: ") != password:
        raise UsageError("the two are not the same; nothing was printed")
    return password


def _fit(password: str) -> str:
    if len(password) < LEAST:
        raise UsageError(f"a password has at least {LEAST} characters; a few words do well")
    return password
