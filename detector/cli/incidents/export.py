"""`jikimi incidents export`: one archive of an incident's evidence."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from config.errors import UsageError
from config.secrets import register_secret
from detector.cli.asking import add_state_dir, state_dir, user
from detector.cli.incidents.auditing import audit_export
from detector.cli.incidents.reading import entries
from detector.cli.settings import CONFIG_HELP
from detector.evidence.record import EVIDENCE

if TYPE_CHECKING:
    from detector.evidence.export import Request

SHORTEST_PASSPHRASE = 8

MOST_ENTRIES = 1_000_000


def add_export(commands: Any) -> None:
    """Add `export`."""
    export = commands.add_parser(
        "export",
        help="one archive of an incident's evidence",
        description="Write clip, stills and scores of one incident, with their hashes, to a ZIP.",
    )
    export.add_argument("incident", type=UUID, metavar="ID", help="as `--json` shows it")
    export.add_argument("--out", type=Path, required=True, metavar="FILE.zip", help="a new file")
    export.add_argument(
        "--reason", type=_reason, required=True, help="why it is handed out; goes to the audit log"
    )
    export.add_argument(
        "--pixelate",
        action="store_true",
        help="show nothing outside the marked place; the clip is encoded again for it",
    )
    export.add_argument(
        "--encrypt",
        action="store_true",
        help="with a passphrase, which is asked for or read from standard input (AES-256; 7-Zip "
        "opens it)",
    )
    export.add_argument(
        "--config",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="FILE",
        help=f"names the journal; {CONFIG_HELP}",
    )
    add_state_dir(export, default=argparse.SUPPRESS)
    export.set_defaults(run=_export)


def _export(chosen: argparse.Namespace) -> int:
    from detector.evidence.export import Request, export, find  # noqa: PLC0415 - loads NumPy

    state = state_dir(chosen)
    folder = find(state / EVIDENCE, chosen.incident)
    passphrase = _passphrase() if chosen.encrypt else None
    key = str(chosen.incident)
    known = [entry for entry in entries(chosen, state, MOST_ENTRIES) if entry["id"] == key]
    journal = json.dumps(known, ensure_ascii=False, indent=1)

    def audit(incident: UUID, request: Request) -> None:
        how = "; pixelated" if request.pixelate else ""
        audit_export(chosen, [incident], f"{request.reason}{how}")

    export(
        folder,
        chosen.out,
        Request(user(), chosen.reason, chosen.pixelate),
        audit,
        more={"journal.json": journal.encode()},
        passphrase=passphrase,
    )
    print(f"{chosen.out}: evidence of incident {chosen.incident}")
    return 0


def _passphrase() -> str:
    """From the terminal, twice, or a line of standard input; never from the command line."""
    if os.isatty(0):
        passphrase = getpass.getpass("passphrase: ")
        if getpass.getpass("once more: ") != passphrase:
            raise UsageError("the two passphrases differ")
    else:
        passphrase = sys.stdin.readline().rstrip("\n")
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise UsageError(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters")
    register_secret(passphrase)
    return passphrase


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say why")
    return text.strip()
