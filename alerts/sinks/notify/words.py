"""The words of a message for people, in English and Korean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alerts.message import AlertPhase

Language = Literal["en", "ko"]


@dataclass(frozen=True, slots=True)
class Words:
    """Of one language; `one`, `many`: what is told of one camera, of `n`; `links`: by name."""

    one: dict[AlertPhase, str]
    many: dict[AlertPhase, str]
    labels: dict[str, str]
    exercise: str
    late: str
    over: str
    score: str
    incidents: str
    picture: str
    links: dict[str, str]
    all_links: str


WORDS: dict[Language, Words] = {
    "en": Words(
        one={
            AlertPhase.OPENED: "{label}: {camera}",
            AlertPhase.UPDATED: "{label} goes on: {camera}",
            AlertPhase.CLOSED: "Over: {camera}",
            AlertPhase.CAMERA_LOST: "Camera lost: {camera}",
            AlertPhase.CAMERA_BACK: "Camera back: {camera}",
        },
        many={
            AlertPhase.OPENED: "{label} on {n} cameras",
            AlertPhase.UPDATED: "{label} goes on, on {n} cameras",
            AlertPhase.CLOSED: "Over on {n} cameras",
            AlertPhase.CAMERA_LOST: "{n} cameras lost",
            AlertPhase.CAMERA_BACK: "{n} cameras back",
        },
        labels={"violence": "Violence"},
        exercise="EXERCISE",
        late="LATE",
        over="over",
        score="score {:.2f}",
        incidents="{} incidents",
        picture="Picture: {}",
        links={"console": "See", "confirm": "Confirm or dismiss", "mute": "Mute the camera"},
        all_links="See all: {}",
    ),
    "ko": Words(
        one={
            AlertPhase.OPENED: "{label} 감지: {camera}",
            AlertPhase.UPDATED: "{label} 계속됨: {camera}",
            AlertPhase.CLOSED: "상황 종료: {camera}",
            AlertPhase.CAMERA_LOST: "카메라 끊김: {camera}",
            AlertPhase.CAMERA_BACK: "카메라 복구: {camera}",
        },
        many={
            AlertPhase.OPENED: "{label} 감지: 카메라 {n}대",
            AlertPhase.UPDATED: "{label} 계속됨: 카메라 {n}대",
            AlertPhase.CLOSED: "상황 종료: 카메라 {n}대",
            AlertPhase.CAMERA_LOST: "카메라 {n}대 끊김",
            AlertPhase.CAMERA_BACK: "카메라 {n}대 복구",
        },
        labels={"violence": "폭력"},
        exercise="훈련",
        late="지연",
        over="종료",
        score="점수 {:.2f}",
        incidents="{}건",
        picture="사진: {}",
        links={"console": "보기", "confirm": "확인 또는 기각", "mute": "카메라 알람 중지"},
        all_links="모두 보기: {}",
    ),
}
