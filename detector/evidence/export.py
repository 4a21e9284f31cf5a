"""One archive of an incident's evidence, for whoever asked for it: a ZIP that proves itself.

In it: the files, `evidence.json` as it was kept, `export.json` (who, when, why), what else is
handed over, and `SHA256SUMS`, which `sha256sum --check` takes. Encrypted, it is a ZIP with AES-256
as WinZip specifies it (AE-2), which 7-Zip opens; the names of the files in it can be read.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import av

from alerts.storage.files import unfinished
from config.errors import JikimiError
from detector.evidence.files import record_of
from detector.evidence.pixelate import Place, pixelate_clip, pixelate_still
from detector.evidence.record import (
    RECORD,
    SCORES,
    ClipRecord,
    EvidenceRecord,
    FileRecord,
    Kind,
    read_curve,
    read_record,
)


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants an archive and why; `pixelate`: it shows nothing outside the marked place."""

    by: str
    reason: str
    pixelate: bool = False


def find(evidence: Path, incident: UUID) -> Path:
    """The folder of `incident`; raises JikimiError where nothing is kept of it."""
    for folder in evidence.glob(f"*/{incident}"):
        if (folder / RECORD).is_file():
            return folder
    raise JikimiError(
        f"{evidence}: nothing is kept of incident {incident}; it may be older than what is kept"
    )


def export(
    folder: Path,
    out: Path,
    request: Request,
    audit: Callable[[UUID, Request], None],
    *,
    more: Mapping[str, bytes] | None = None,
    passphrase: str | None = None,
) -> EvidenceRecord:
    """Write the evidence in `folder` to the new file `out`.

    `audit` is told before anything can be taken away; what it raises ends the export. `more`: other
    files to add, by name. Raises JikimiError where a file is not what its hash says, or `out`
    cannot be written.
    """
    record = read_record(folder)
    if out.exists():
        raise JikimiError(f"{out}: is there already; choose another name")
    _verify(folder, record)
    audit(record.incident, request)
    temporary = unfinished(out)
    try:
        with (
            tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as work,
            open(temporary, "wb", opener=_private) as file,
            closing(_archive(file, passphrase)) as archive,
        ):
            _fill(archive, folder, record, request, dict(more or {}), Path(work))
        temporary.replace(out)
    except (OSError, av.FFmpegError, ValueError) as error:
        temporary.unlink(missing_ok=True)
        raise JikimiError(f"{out}: cannot be written ({error})") from error
    return record


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _verify(folder: Path, record: EvidenceRecord) -> None:
    for file in record.files:
        try:
            found = record_of(folder / file.name, file.kind)
        except OSError as error:
            raise JikimiError(f"{folder / file.name}: cannot be read ({error.strerror})") from None
        if found.sha256 != file.sha256:
            raise JikimiError(
                f"{folder / file.name}: is not what was recorded (SHA-256 differs); it was damaged "
                "or changed since, so nothing is exported"
            )


def _archive(file: Any, passphrase: str | None) -> Any:
    """A ZIP; pictures and video are compressed already, so all is stored as it is."""
    if passphrase is None:
        return zipfile.ZipFile(file, "w")
    import pyzipper  # noqa: PLC0415 - only who encrypts needs it

    archive = pyzipper.AESZipFile(file, "w", encryption=pyzipper.WZ_AES)
    archive.setpassword(passphrase.encode())
    return archive


def _fill(
    archive: Any,
    folder: Path,
    record: EvidenceRecord,
    request: Request,
    more: dict[str, bytes],
    work: Path,
) -> None:
    name = str(record.incident)
    told = {
        "incident": name,
        "by": request.by,
        "reason": request.reason,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "pixelated": request.pixelate,
    }
    more |= {
        RECORD: (folder / RECORD).read_bytes(),
        "export.json": json.dumps(told, ensure_ascii=False, indent=1).encode(),
    }
    sums = []
    for file in record.files:
        path = folder / file.name
        if request.pixelate:
            path = _pixelated(folder, file, record, work)
        archive.write(path, f"{name}/{file.name}")
        sums.append((record_of(path, file.kind).sha256, file.name))
    for other, data in more.items():
        archive.writestr(f"{name}/{other}", data)
        sums.append((hashlib.sha256(data).hexdigest(), other))
    lines = "".join(f"{digest}  {each}\n" for digest, each in sums)
    archive.writestr(f"{name}/SHA256SUMS", lines)


def _pixelated(folder: Path, file: FileRecord, record: EvidenceRecord, work: Path) -> Path:
    path, hidden = folder / file.name, work / file.name
    if file.kind in (Kind.STILL, Kind.MARKED):
        hidden.write_bytes(pixelate_still(path.read_bytes(), file.box))
        return hidden
    if file.kind is Kind.CLIP:
        [clip] = [clip for clip in record.clips if clip.name == file.name]
        pixelate_clip(path, hidden, _places(folder, clip))
        return hidden
    return path


def _places(folder: Path, clip: ClipRecord) -> list[Place]:
    """The boxes of a clip; none where the curve was not kept, so that all of it is hidden."""
    try:
        curve = read_curve(folder / SCORES)
    except JikimiError:
        return []
    return [(at_s + clip.pre_roll_s, box) for at_s, _, _, box in curve.points if box is not None]
