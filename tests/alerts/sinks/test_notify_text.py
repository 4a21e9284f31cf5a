"""What a person reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from alerting import PICTURE, follow_up, make_alert

from alerts.message import Alert, AlertPhase
from alerts.sinks.notify.text import text_of
from alerts.sinks.notify.words import Language
from config.settings import Location

OPENED, UPDATED, CLOSED = AlertPhase.OPENED, AlertPhase.UPDATED, AlertPhase.CLOSED
LOST, BACK = AlertPhase.CAMERA_LOST, AlertPhase.CAMERA_BACK


def notice(phase: AlertPhase, **changes: object) -> Alert:
    return make_alert(phase=phase, label="camera", score=0.0, **changes)


@pytest.mark.parametrize(
    ("phase", "changes", "english", "korean"),
    [
        (OPENED, {}, "Violence: gate (yard)", "폭력 감지: gate (yard)"),
        (OPENED, {"label": "fall"}, "fall: gate (yard)", "fall 감지: gate (yard)"),
        (UPDATED, {}, "Violence goes on: gate (yard)", "폭력 계속됨: gate (yard)"),
        (CLOSED, {}, "Over: gate (yard)", "상황 종료: gate (yard)"),
        (LOST, {}, "Camera lost: gate (yard)", "카메라 끊김: gate (yard)"),
        (BACK, {}, "Camera back: gate (yard)", "카메라 복구: gate (yard)"),
        (
            OPENED,
            {"exercise": True},
            "[EXERCISE] Violence: gate (yard)",
            "[훈련] 폭력 감지: gate (yard)",
        ),
        (OPENED, {"late": True}, "[LATE] Violence: gate (yard)", "[지연] 폭력 감지: gate (yard)"),
    ],
)
def test_the_title_says_what_happened_where(
    phase: AlertPhase, changes: dict[str, object], english: str, korean: str
) -> None:
    alert = make_alert(phase=phase, **changes)
    languages: tuple[Language, ...] = ("en", "ko")
    assert [text_of([alert], language).title for language in languages] == [english, korean]


def test_what_follows_an_opened_is_told_with_it() -> None:
    opened = make_alert(score=0.7, links={"clip": "https://box/clip"})
    updated = follow_up(opened, UPDATED, 1, score=0.9)
    closed = follow_up(opened, CLOSED, 2, score=0.9, links={"clip": "https://box/clip"})
    text = text_of([opened, updated, closed], "en")
    assert text.title == "Violence: gate (yard)"
    (line, link) = text.body.splitlines()
    assert line.endswith(", score 0.90, over")
    assert link == "clip: https://box/clip"
    assert text_of([updated, closed], "en").title == "Over: gate (yard)"


def test_several_cameras_have_a_line_each_and_alarms_come_first() -> None:
    long_ago = datetime.now(UTC) - timedelta(days=2)
    alerts = [
        make_alert(image=PICTURE),
        make_alert(camera="hall", location=Location(), opened_at=long_ago, late=True),
        make_alert(camera="hall", location=Location()),
        make_alert(phase=CLOSED, camera="attic", reason="camera lost"),
        notice(LOST, camera="shed", reason="no picture"),
    ]
    text = text_of(alerts, "en", alerts[0])
    assert text.title == "Violence on 2 cameras"
    gate, hall, shed, attic, picture = text.body.splitlines()
    assert gate.startswith("gate (yard), north gate: ")
    assert hall.startswith(f"hall (yard): 2 incidents, {long_ago.astimezone():%Y-%m-%d %H:%M:%S}-")
    assert hall.endswith(", LATE")
    assert shed.startswith("Camera lost: shed (yard), north gate: ")
    assert shed.endswith(", no picture")
    assert attic.startswith("Over: attic (yard), north gate: ")
    assert picture == "Picture: gate"


def test_very_many_cameras_are_named_and_the_text_stays_short() -> None:
    alerts = [make_alert(camera=f"camera-{n % 40}") for n in range(200)]
    ends = [make_alert(phase=CLOSED, camera=f"attic-{n}") for n in range(40)]
    text = text_of([*alerts, *ends], "ko")
    assert text.title == "폭력 감지: 카메라 40대"
    assert len(text.body.encode()) < 4096
    names = text.body.replace(" (yard)", "").replace(" ×5", "").replace("\n", ", ").split(", ")
    assert {alert.camera for alert in [*alerts, *ends]} <= set(names)


LINKS = {"console": "https://box/incident/1", "confirm": "https://box/c", "mute": "https://box/m"}


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        (
            "en",
            [
                "See: https://box/incident/1",
                "Confirm or dismiss: https://box/c",
                "Mute the camera: https://box/m",
            ],
        ),
        (
            "ko",
            [
                "보기: https://box/incident/1",
                "확인 또는 기각: https://box/c",
                "카메라 알람 중지: https://box/m",
            ],
        ),
    ],
)
def test_links_of_one_incident_stand_below_it(language: Language, lines: list[str]) -> None:
    text = text_of([make_alert(links=LINKS)], language)
    assert text.body.splitlines()[1:] == lines
    assert text.click == "https://box/incident/1"


@pytest.mark.parametrize(("language", "line"), [("en", "See all: {}"), ("ko", "모두 보기: {}")])
def test_of_several_incidents_one_link_leads_to_all(language: Language, line: str) -> None:
    alerts = [make_alert(camera=name, links=LINKS) for name in ("gate", "hall")]
    text = text_of(alerts, language)
    assert text.body.splitlines()[2:] == [line.format("https://box/")]
    assert text.click == "https://box/"


def test_without_links_there_is_none() -> None:
    for alerts in ([make_alert()], [make_alert(), make_alert(camera="hall")]):
        text = text_of(alerts, "en")
        assert "http" not in text.body
        assert text.click is None
