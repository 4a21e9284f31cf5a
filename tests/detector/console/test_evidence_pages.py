"""An incident's page, the files of evidence, and the archive that is handed out."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pyzipper
from console.kept import CLIP, GROWING, PICTURE, grow, keep
from console.pages_monitor import PagesMonitor

from detector.console.access.user import Role, User
from detector.journal import queries
from detector.journal.records import AuditEntry, Verdict
from detector.types import Incident
from journal_feeding import closed, opened

Browse = Callable[..., httpx.Client]

ELSEWHERE = User("lee", Role.ADMIN, lambda name: name != "gate")


@pytest.fixture
def one(at: PagesMonitor) -> Incident:
    """An incident that is over, with its evidence."""
    incident = closed(opened())
    at.tell(incident)
    assert at.evidence
    keep(at.evidence, incident, missing=["part of the clip: No space left on device"])
    return incident


def folder_of(at: PagesMonitor, incident: Incident) -> Path:
    assert at.evidence
    [folder] = at.evidence.glob(f"*/{incident.id}")
    return folder


def audited(at: PagesMonitor) -> list[AuditEntry]:
    at.at.wait_fed()
    return at.at.asked(queries.audit)


def test_files_are_served_whole_and_in_parts(
    at: PagesMonitor, browse: Browse, one: Incident
) -> None:
    pages = browse()
    whole = pages.get(f"/evidence/{one.id}/clip-1.mp4")
    assert (whole.content, whole.headers["content-type"]) == (CLIP, "video/mp4")
    part = pages.get(f"/evidence/{one.id}/clip-1.mp4", headers={"range": "bytes=256-511"})
    assert (part.status_code, part.content) == (206, CLIP[256:512])
    still = pages.get(f"/evidence/{one.id}/peak.jpg")
    assert (still.content, still.headers["content-type"]) == (PICTURE, "image/jpeg")
    assert still.headers["cache-control"] == "private, no-store"


def test_a_clip_that_grows_is_served_as_far_as_it_has_come(
    at: PagesMonitor, browse: Browse, one: Incident
) -> None:
    name = grow(folder_of(at, one))
    found = browse().get(f"/evidence/{one.id}/{name}")
    assert (found.content, found.headers["content-type"]) == (GROWING, "video/mp4")


def test_nothing_but_what_the_record_names_is_served(
    at: PagesMonitor, browse: Browse, one: Incident, tmp_path: Path
) -> None:
    folder = folder_of(at, one)
    (folder / "secret.txt").write_text("secret")
    (folder / "clip-1.mp4.unfinished.txt").write_text("secret")
    (folder / "clip-3.mp4.unfinished").symlink_to(tmp_path / "journal.sqlite")
    (folder / "latest.jpg").write_bytes(b"not in the record")
    pages = browse()
    for path in (
        f"{one.id}/secret.txt",
        f"{one.id}/clip-1.mp4.unfinished.txt",
        f"{one.id}/clip-3.mp4.unfinished",
        f"{one.id}/latest.jpg",
        f"{one.id}/evidence.json",
        f"{one.id}/..%2F..%2F..%2Fjournal.sqlite",
        f"{one.id}/%2E%2E/%2E%2E/%2E%2E/journal.sqlite",
        f"{one.id}/%2Fetc%2Fpasswd",
        f"{one.id}/clip-1.mp4%00.jpg",
        "0190a8c0-0000-7000-8000-000000000000/clip-1.mp4",
        "../journal.sqlite",
    ):
        # As it is: a client would tidy the path up.
        url = httpx.URL(pages.base_url).copy_with(raw_path=f"/evidence/{path}".encode())
        assert pages.get(url).status_code == 404, path


def test_another_ones_camera_is_nowhere(at: PagesMonitor, browse: Browse, one: Incident) -> None:
    pages = browse(ELSEWHERE)
    for path in (f"/evidence/{one.id}/clip-1.mp4", f"/incident/{one.id}"):
        assert pages.get(path).status_code == 404
    form = {"reason": "to have it"}
    assert pages.post(f"/incident/{one.id}/export", data=form).status_code == 404
    assert audited(at) == []


def test_a_look_at_a_clip_is_audited_once(at: PagesMonitor, browse: Browse, one: Incident) -> None:
    pages, others = browse(), browse(User("lee", Role.VIEWER))
    for _ in range(3):
        pages.get(f"/evidence/{one.id}/clip-1.mp4", headers={"range": "bytes=0-9"})
        pages.get(f"/evidence/{one.id}/peak.jpg")
    others.get(f"/evidence/{one.id}/clip-1.mp4")
    found = sorted((entry.who, entry.action, entry.target) for entry in audited(at))
    assert found == [("kim", "look", str(one.id)), ("lee", "look", str(one.id))]


def test_the_page_tells_all_that_is_known(at: PagesMonitor, browse: Browse, one: Incident) -> None:
    at.at.recorder.judge(one.id, Verdict.FALSE_ALARM, "dancing", "lee")
    at.at.recorder.judge(one.id, Verdict.REAL, "no, it was not", "kim")
    page = browse().get(f"/incident/{one.id}").text
    assert page.index("no, it was not") < page.index("dancing")
    assert "No space left on device" in page
    assert re.search(r'<polyline points="0.0,', page)
    assert '<line class="threshold"' in page
    assert f'action="/incident/{one.id}/export"' in page
    assert "export" not in browse(User("lee", Role.OPERATOR)).get(f"/incident/{one.id}").text
    assert browse().get("/incident/0190a8c0-0000-7000-8000-000000000000").status_code == 404
    assert browse().get("/incident/x").status_code == 404


def test_the_archive_proves_itself_and_tells_who_had_it(
    at: PagesMonitor, browse: Browse, one: Incident, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(work))
    at.at.recorder.judge(one.id, Verdict.REAL, "", "lee")
    at.at.wait_fed()
    form = {"reason": "police, file 4711", "pixelate": ""}
    answer = browse().post(f"/incident/{one.id}/export", data=form)
    assert answer.headers["content-disposition"] == f'attachment; filename="incident-{one.id}.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    for line in files["SHA256SUMS"].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(files[name]).hexdigest() == digest
    assert files["clip-1.mp4"] == CLIP
    story = json.loads(files["journal.json"])
    assert [entry["action"] for entry in story["audit"]] == ["judge"]
    assert story["judgement"]["verdict"] == "real"
    newest = audited(at)[0]
    assert (newest.who, newest.action, newest.reason) == ("kim", "export", "police, file 4711")
    assert list(work.iterdir()) == []


def test_with_a_passphrase_nobody_else_reads_it(browse: Browse, one: Incident) -> None:
    form = {"reason": "police", "passphrase": "correct horse"}
    answer = browse().post(f"/incident/{one.id}/export", data=form)
    with pyzipper.AESZipFile(io.BytesIO(answer.content)) as archive:
        name = f"{one.id}/clip-1.mp4"
        with pytest.raises(RuntimeError, match="encrypted"):
            archive.read(name)
        archive.setpassword(b"correct horse")
        assert archive.read(name) == CLIP


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "say why"),
        ({"reason": "  "}, "say why"),
        ({"reason": "x" * 501}, "500 characters"),
        ({"reason": "police", "passphrase": "short"}, "at least 8 characters"),
    ],
)
def test_what_is_not_asked_for_properly_is_not_handed_out(
    at: PagesMonitor, browse: Browse, one: Incident, form: dict[str, str], said: str
) -> None:
    answer = browse().post(f"/incident/{one.id}/export", data=form)
    assert answer.status_code == 422
    assert said in answer.text
    assert audited(at) == []


def test_what_cannot_be_audited_or_is_damaged_is_not_handed_out(
    at: PagesMonitor, browse: Browse, one: Incident
) -> None:
    pages, form = browse(), {"reason": "police"}
    at.full = "No space left on device"
    answer = pages.post(f"/incident/{one.id}/export", data=form)
    assert (answer.status_code, "No space left" in answer.text) == (422, True)
    at.full = None
    (folder_of(at, one) / "clip-1.mp4").write_bytes(b"something else")
    answer = pages.post(f"/incident/{one.id}/export", data=form)
    assert (answer.status_code, "SHA-256 differs" in answer.text) == (422, True)


def asked(page: str) -> tuple[list[str], list[str], str]:
    """What has the focus, what is marked, and what is said of it."""
    buttons = re.findall(r"<button[^>]*>", page)
    done = [re.search(r'data-do="(\w+)"', button) for button in buttons]
    pairs = [(button, found[1]) for button, found in zip(buttons, done, strict=True) if found]
    focus = [what for button, what in pairs if "autofocus" in button]
    marked = [what for button, what in pairs if re.search(r'class="[^"]*\basked\b', button)]
    said = re.search(r'<p class="asked">(.*?)</p>', page)
    return focus, marked, said[1] if said else ""


def test_a_link_to_confirm_or_mute_shows_the_button_and_does_nothing(
    at: PagesMonitor, browse: Browse
) -> None:
    one = opened()
    at.tell(one)
    waiting = {str(one.id): {"police": datetime.now(UTC) + timedelta(minutes=1)}}
    at.awaits = dict(waiting)
    url, guard = f"/incident/{one.id}", browse(User("lee", Role.OPERATOR))
    focus, marked, said = asked(guard.get(f"{url}?ask=confirm").text)
    assert (focus, marked) == (["confirm"], ["confirm"])
    assert "Confirm tells whoever waits for you at once" in said
    focus, marked, said = asked(guard.get(f"{url}?ask=mute").text)
    assert (focus, marked) == (["mute"], ["mute", "mute"])
    assert "Mute gate: for so long nobody is told" in said
    for other in ("", "?ask=", "?ask=dismiss", "?ask=mute&ask=<b>"):
        assert asked(guard.get(url + other).text) == ([], [], "")
    assert at.done == []
    assert (at.awaits, at.mutes) == (waiting, {})
    at.awaits = {}
    focus, _, said = asked(guard.get(f"{url}?ask=confirm").text)
    assert (focus, said) == ([], "Nobody waits for a confirmation of it any more.")
    at.mutes = {"gate": datetime.now(UTC)}
    assert "muted until" in guard.get(url).text
    viewer = browse(User("kim", Role.VIEWER)).get(f"{url}?ask=mute").text
    assert asked(viewer) == ([], [], "Only operators can do that; log in as one.")
