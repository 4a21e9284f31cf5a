"""The archive that is handed out: whole, proven, private."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest
from filming import BOX, Evidence, played

from config.errors import JikimiError
from detector.evidence.export import Request, export, find
from detector.evidence.record import EvidenceRecord, read_record
from servers.rtsp import make_clip

WHY = Request("kim", "police request 2026-117")
HIDDEN = Request("kim", "police request 2026-117", pixelate=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evidence of one incident. Not to be written to."""
    kept = Evidence(tmp_path_factory.mktemp("kept") / "evidence", post_roll_s=0)
    film = kept.film(str(make_clip(tmp_path_factory.mktemp("video") / "yard.mp4", seconds=3)))
    film.watch(1.5)
    incident = film.open()
    film.watch(0.5)
    film.close()
    kept.whole(incident)
    kept.stop()
    return kept.of(incident)


@pytest.fixture
def audited() -> list[tuple[UUID, Request]]:
    return []


@pytest.fixture
def write(
    folder: Path, tmp_path: Path, audited: list[tuple[UUID, Request]]
) -> Callable[..., tuple[EvidenceRecord, Path]]:
    """Export `folder`: its record, and the archive."""

    def written(request: Request = WHY, **more: object) -> tuple[EvidenceRecord, Path]:
        out = tmp_path / "out.zip"

        def audit(*entry: object) -> None:
            assert not list(tmp_path.iterdir())  # nothing can be taken away yet
            audited.append(entry)  # type: ignore[arg-type]

        return export(folder, out, request, audit, **more), out  # type: ignore[arg-type]

    return written


@pytest.mark.slow
def test_it_holds_all_and_sha256sum_confirms_it(
    write: Callable[..., tuple[EvidenceRecord, Path]],
    audited: list[tuple[UUID, Request]],
    tmp_path: Path,
) -> None:
    record, out = write(more={"journal.json": b"[]"})
    assert audited == [(record.incident, WHY)]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "read")
    folder = tmp_path / "read" / str(record.incident)
    names = {path.name for path in folder.iterdir()}
    assert names == {file.name for file in record.files} | {
        "evidence.json", "export.json", "journal.json", "SHA256SUMS",
    }  # fmt: skip
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder,
                   check=True)  # fmt: skip
    assert len((folder / "SHA256SUMS").read_text().splitlines()) == len(names) - 1
    assert read_record(folder) == record
    told = json.loads((folder / "export.json").read_text())
    assert (told["by"], told["reason"], told["pixelated"]) == ("kim", WHY.reason, False)


def test_what_was_changed_since_is_not_exported(
    folder: Path, tmp_path: Path, audited: list[tuple[UUID, Request]]
) -> None:
    import shutil

    changed = shutil.copytree(folder, tmp_path / folder.name)
    data = bytearray((changed / "first.jpg").read_bytes())
    data[-5] ^= 1
    (changed / "first.jpg").write_bytes(data)
    with pytest.raises(JikimiError, match=r"first\.jpg: is not what was recorded"):
        export(changed, tmp_path / "out.zip", WHY, lambda *entry: audited.append(entry))
    assert audited == []
    assert not (tmp_path / "out.zip").exists()


def test_no_archive_without_an_entry_in_the_audit_log(folder: Path, tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        export(folder, tmp_path / "out.zip", WHY, full)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    out.write_text("another's")
    with pytest.raises(JikimiError, match="is there already"):
        export(folder, out, WHY, lambda *_: None)
    assert out.read_text() == "another's"


def test_of_what_is_not_kept_it_says_so(folder: Path) -> None:
    assert find(folder.parent.parent, UUID(folder.name)) == folder
    with pytest.raises(JikimiError, match="nothing is kept of incident"):
        find(folder.parent.parent, UUID(int=7))


def detail(picture: np.ndarray) -> tuple[float, float]:
    """How much fine detail there is in the marked place, and outside it."""
    fine = np.abs(picture.astype(float) - cv2.blur(picture, (5, 5))).mean(axis=2)
    height, width = fine.shape
    rows = slice(round(height * BOX.top), round(height * (BOX.top + BOX.height)))
    columns = slice(round(width * BOX.left), round(width * (BOX.left + BOX.width)))
    within = fine[rows, columns].mean()
    fine[rows, columns] = np.nan
    return float(within), float(np.nanmean(fine))


@pytest.mark.slow
def test_pixelated_only_the_marked_place_can_be_made_out(
    write: Callable[..., tuple[EvidenceRecord, Path]], folder: Path, tmp_path: Path
) -> None:
    record, out = write(HIDDEN)
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "read")
    hidden = tmp_path / "read" / str(record.incident)
    pairs = [
        (cv2.imread(str(folder / name)), cv2.imread(str(hidden / name)))
        for name in ("first.jpg", "peak-marked.jpg")
    ]
    [clip] = record.clips
    shown = played(folder / clip.name), played(hidden / clip.name)
    pairs += zip(*([f.to_ndarray(format="bgr24") for f in each] for each in shown), strict=True)
    for before, after in pairs:
        assert before.shape == after.shape
        plain, found = detail(before), detail(after)
        assert found[1] < 0.3 * plain[1]
        assert found[0] > 0.7 * plain[0]
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=hidden, check=True)


def test_encrypted_it_opens_with_the_passphrase_alone(
    write: Callable[..., tuple[EvidenceRecord, Path]], folder: Path
) -> None:
    pyzipper = pytest.importorskip("pyzipper")
    record, out = write(passphrase="correct horse")
    name = f"{record.incident}/first.jpg"
    data = (folder / "first.jpg").read_bytes()
    assert data not in out.read_bytes()
    with zipfile.ZipFile(out) as plain, pytest.raises((RuntimeError, NotImplementedError)):
        plain.read(name)
    with pyzipper.AESZipFile(out) as archive:
        archive.setpassword(b"correct horse")
        assert archive.read(name) == data
        archive.setpassword(b"wrong")
        with pytest.raises(RuntimeError):
            archive.read(name)
    assert hashlib.sha256(data).hexdigest() in {file.sha256 for file in record.files}
