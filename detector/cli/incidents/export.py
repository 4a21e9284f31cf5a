"""`jikimi incidents export`: an archive of one incident, or what judged ones teach."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from config.errors import JikimiError, UsageError
from config.secrets import register_secret
from detector.cli.asking import add_state_dir, state_dir, user
from detector.cli.incidents.auditing import audit_export
from detector.cli.incidents.reading import entries
from detector.cli.settings import CONFIG_HELP
from detector.evidence.record import EVIDENCE
from detector.journal.records import Verdict

if TYPE_CHECKING:
    from detector.evidence.export import Request

SHORTEST_PASSPHRASE = 8

MOST_ENTRIES = 1_000_000


def add_export(commands: Any) -> None:
    """Add `export`."""
    export = commands.add_parser(
        "export",
        help="one archive of an incident's evidence, or clips to learn from",
        description="Write clip, stills and scores of one incident, with their hashes, to a ZIP. "
        "Or, with --manifest, the clips of all that were judged real or a false alarm, and a "
        "manifest that `jikimi train --start-from shipped` takes.",
    )
    export.add_argument("incident", type=UUID, nargs="?", metavar="ID", help="as `--json` shows it")
    export.add_argument("--out", type=Path, metavar="FILE.zip", help="a new file")
    export.add_argument(
        "--reason", type=_reason, help="why it is handed out; goes to the audit (needed for ID)"
    )
    export.add_argument(
        "--manifest", type=Path, metavar="DIR", help="clips of judged incidents, into this folder"
    )
    export.add_argument(
        "--since", type=_day, metavar="DATE", help="with --manifest: opened on this day or later"
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
    export.set_defaults(run=partial(_export, export))


def _export(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> int:
    if chosen.manifest:
        if chosen.incident or chosen.out or chosen.pixelate or chosen.encrypt:
            parser.error("--manifest stands alone, or with --since and --reason")
        return _export_manifest(chosen)
    if not (chosen.incident and chosen.out and chosen.reason) or chosen.since:
        parser.error("give an ID with --out FILE.zip and --reason TEXT, or --manifest DIR")
    return _export_one(chosen)


def _export_manifest(chosen: argparse.Namespace) -> int:
    from detector.evidence.export import find  # noqa: PLC0415 - loads NumPy
    from detector.evidence.manifest import MANIFEST, Judged, write_footage  # noqa: PLC0415 - same

    state = state_dir(chosen)
    judged: list[Judged] = []
    for entry in entries(chosen, state, MOST_ENTRIES):
        is_old = chosen.since and datetime.fromisoformat(entry["opened_at"]) < chosen.since
        if is_old or entry.get("verdict") not in {Verdict.REAL, Verdict.FALSE_ALARM}:
            continue
        try:
            folder = find(state / EVIDENCE, UUID(entry["id"]))
        except JikimiError:
            _say_left_out(f"{entry['id']}: nothing is kept of it any more")
        else:
            judged.append(Judged(folder, entry["verdict"] == Verdict.REAL))
    if not judged:
        raise JikimiError(
            "no incident that was judged real or a false alarm has evidence; judge some by "
            "`jikimi incidents judge`"
        )
    reason = chosen.reason or f"to learn from, into {chosen.manifest.absolute()}"
    audit_export(chosen, [UUID(one.folder.name) for one in judged], reason)
    counts = write_footage(judged, chosen.manifest, _say_left_out)
    counted = ", ".join(f"{count} {label}" for label, count in sorted(counts.items()))
    print(f"{chosen.manifest / MANIFEST}: {counted} clip(s)")
    return 0


def _say_left_out(what: str) -> None:
    print(f"left out: incident {what}", file=sys.stderr)


def _export_one(chosen: argparse.Namespace) -> int:
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


def _day(text: str) -> datetime:
    """Its beginning in local time."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write 2026-11-27") from None


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say why")
    return text.strip()
