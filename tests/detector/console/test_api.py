"""The interface for programs: what it gives, whom, and how it says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from console.kept import keep
from console.pages_monitor import PagesMonitor

from detector.console.access.user import Role, User
from detector.console.api.openapi import description
from detector.console.api.operations import OPERATIONS
from detector.journal.records import Verdict
from journal_feeding import NOW, closed, opened

Browse = Callable[..., httpx.Client]

GATE_ONLY = User("lee", Role.ADMIN, lambda name: name == "gate")

NOBODY = "0190a8c0-0000-7000-8000-000000000000"


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and detail of what has to be one."""
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == answer.status_code
    return answer.status_code, found["detail"]


def test_incidents_page_by_page(at: PagesMonitor, browse: Browse) -> None:
    made = [closed(opened(NOW - number * timedelta(hours=1))) for number in range(5)]
    for one in made:
        at.tell(one)
    at.at.recorder.judge(made[0].id, Verdict.REAL, "seen", "kim")
    client = browse()
    found: list[str] = []
    before: dict[str, str] = {}
    while True:
        page = client.get("/api/incidents", params={"limit": "2", **before}).json()
        found += [one["id"] for one in page["incidents"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert found == [str(one.id) for one in made]
    [judged] = client.get("/api/incidents?judged=true").json()["incidents"]
    assert judged["judgement"]["note"] == "seen"
    since = made[1].opened_at.isoformat()
    later = client.get("/api/incidents", params={"since": since}).json()["incidents"]
    assert [one["id"] for one in later] == found[:2]


def test_one_incident_with_its_files(at: PagesMonitor, browse: Browse) -> None:
    one = closed(opened())
    at.tell(one)
    assert at.evidence
    keep(at.evidence, one)
    found = browse().get(f"/api/incidents/{one.id}").json()
    assert (found["id"], found["judgements"], found["deliveries"]) == (str(one.id), [], [])
    assert problem(browse().get(f"/api/incidents/{NOBODY}"))[0] == 404
    assert problem(browse().get("/api/incidents/x"))[0] == 404


def test_a_verdict_and_its_note_are_kept_in_the_askers_name(
    at: PagesMonitor, browse: Browse
) -> None:
    one = closed(opened())
    at.tell(one)
    client, path = browse(), f"/api/incidents/{one.id}/verdict"
    assert client.post(path, json={"verdict": "false-alarm", "note": "춤"}).json() == {
        "in_memory_only": None
    }
    at.full = "No space left on device"
    said = client.post(path, json={"verdict": "real"}).json()
    assert said == {"in_memory_only": "No space left on device"}
    found = client.get(f"/api/incidents/{one.id}").json()["judgements"]
    assert [(each["verdict"], each["note"], each["by"]) for each in found] == [
        ("real", "", "kim"),
        ("false-alarm", "춤", "kim"),
    ]


def test_mute_and_drill(at: PagesMonitor, browse: Browse) -> None:
    client = browse()
    until = client.post("/api/silence", json={"camera": "gate", "for_s": 600}).json()["until"]
    left_s = (datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds()
    assert 0 < left_s <= 600
    assert client.get("/api/health").json()["silences"] == [{"camera": "gate", "until": until}]
    client.post("/api/unsilence", json={"camera": "gate"})
    assert client.get("/api/health").json()["silences"] == []
    assert client.post("/api/drill", json={"camera": "yard"}).json()["sinks"] == ["log"]
    assert problem(client.post("/api/drill", json={"camera": "nowhere"})) == (
        409,
        "there is no camera 'nowhere'",
    )


def test_confirm_and_dismiss_go_to_the_daemon(at: PagesMonitor, browse: Browse) -> None:
    one = opened()
    at.tell(one)
    client = browse()
    for what in ("confirm", "dismiss"):
        assert client.post(f"/api/incidents/{one.id}/{what}").status_code == 200
        assert at.done[-1] == (what, "kim", {"incident": str(one.id)})


def test_another_ones_cameras_do_not_exist(at: PagesMonitor, browse: Browse) -> None:
    other = opened(camera="yard")
    at.tell(other)
    client = browse(GATE_ONLY)
    assert [one["name"] for one in client.get("/api/cameras").json()["cameras"]] == ["gate"]
    assert client.get("/api/incidents").json()["incidents"] == []
    one = f"/api/incidents/{other.id}"
    answers = [
        client.get(one),
        client.get("/api/incidents/" + str(other.id)),
        client.post(f"{one}/verdict", json={"verdict": "real"}),
        client.post(f"{one}/confirm"),
        client.post(f"{one}/dismiss"),
        client.post("/api/silence", json={"camera": "yard", "for_s": 1}),
        client.post("/api/unsilence", json={"camera": "yard"}),
        client.post("/api/drill", json={"camera": "yard"}),
    ]
    assert {problem(answer)[0] for answer in answers} == {404}
    for_all = client.post("/api/silence", json={"for_s": 1})
    assert problem(for_all)[0] == 403
    assert at.done == []


@pytest.mark.parametrize(
    ("path", "sent", "status", "said"),
    [
        ("/api/silence", {"for_s": 0}, 422, "for_s"),
        ("/api/silence", {"for_s": "600"}, 422, "for_s"),
        ("/api/silence", {"for_s": 1, "camera": 3}, 422, "camera"),
        ("/api/silence", {"for_s": 1, "more": 3}, 422, "more"),
        ("/api/drill", {"camera": "\0"}, 422, "camera"),
        ("/api/drill", [], 422, "object"),
        ("/api/drill", b"{", 422, "JSON"),
        ("/api/drill", b'{"camera": "\xff"}', 422, "JSON"),
        ("/api/drill", b"x" * 70_000, 413, "65536"),
        ("/api/nothing", {}, 404, ""),
        ("/api/cameras", {}, 405, ""),
    ],
)
def test_mistakes_are_said(browse: Browse, path: str, sent: Any, status: int, said: str) -> None:
    kind = {"content-type": "application/json"}
    body = {"content": sent, "headers": kind} if isinstance(sent, bytes) else {"json": sent}
    found, detail = problem(browse().post(path, **body))
    assert found == status
    assert said in detail


def test_only_json_is_taken(browse: Browse) -> None:
    answer = browse().post("/api/drill", data={"camera": "gate"})  # as any page's form could
    assert problem(answer) == (415, "send application/json")


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=2026-11-01T00:00:00",
        "since=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-14:00",
        "limit=0",
        "limit=1&limit=2",
        "before=x",
        "camera=%00",
        "verdict=maybe",
        "other=1",
    ],
)
def test_queries_are_checked(browse: Browse, query: str) -> None:
    assert problem(browse().get(f"/api/incidents?{query}"))[0] == 422


def test_the_description_has_every_operation(browse: Browse) -> None:
    found = browse().get("/api/openapi.json").json()
    assert found == description()
    assert found["openapi"].startswith("3.1")
    operations = {(path, method) for path, those in found["paths"].items() for method in those}
    assert operations == {(one.path, one.method.lower()) for one in OPERATIONS}
