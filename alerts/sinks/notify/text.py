"""Title and text of one message that tells of any number of alerts, in English and Korean.

Each incident is told once, with all that the alerts say of it, in one line for its camera.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple
from urllib.parse import urljoin
from uuid import UUID

from alerts.message import Alert, AlertPhase
from alerts.sinks.notify.words import WORDS, Language, Words


class Text(NamedTuple):
    """What a person reads, and the page to open where he taps on it."""

    title: str
    body: str
    click: str | None = None


class Urgency(Enum):
    """How much a message asks for attention; `QUIET`: without a sound."""

    HIGH = "high"
    NORMAL = "normal"
    QUIET = "quiet"


CONSOLE = "console"
"""The link to the page of what an alert tells; the console's first page, *Now*, has all of it."""

DETAILED = 12
"""Beyond so many lines cameras are only named: ntfy takes 4096 bytes, Telegram as many letters."""

ORDER = (
    AlertPhase.OPENED,
    AlertPhase.CAMERA_LOST,
    AlertPhase.UPDATED,
    AlertPhase.CLOSED,
    AlertPhase.CAMERA_BACK,
)
"""What a message is about, where it is about several things: the first of these."""


def told(alerts: Sequence[Alert]) -> dict[AlertPhase, list[list[Alert]]]:
    """`alerts` by incident and by what is to be told of it, in `ORDER`; nothing empty.

    An incident that opens is told as that, whatever follows; of the rest, what came last counts.
    """
    incidents: dict[UUID, list[Alert]] = {}
    for alert in alerts:
        incidents.setdefault(alert.incident_id, []).append(alert)
    found: dict[AlertPhase, list[list[Alert]]] = {}
    for phase in ORDER:
        if about := [one for one in incidents.values() if _phase(one) is phase]:
            found[phase] = about
    return found


def text_of(alerts: Sequence[Alert], language: Language, pictured: Alert | None = None) -> Text:
    """The message about `alerts`, oldest first; `pictured`: the one whose picture goes along."""
    words = WORDS[language]
    about = told(alerts)
    lines = [
        line
        for phase, incidents in about.items()
        for line in _lines(phase, incidents, words, is_first=phase is next(iter(about)))
    ]
    if len(lines) > DETAILED:
        lines = [line for phase, those in about.items() for line in _names(phase, those, words)]
    if pictured is not None and len({alert.camera for alert in alerts}) > 1:
        lines.append(words.picture.format(pictured.camera))
    links = alerts[-1].links
    console = links.get(CONSOLE)
    if len({alert.incident_id for alert in alerts}) == 1:
        lines += [f"{words.links.get(name, name)}: {url}" for name, url in links.items()]
    elif console is not None:
        console = urljoin(console, "/")
        lines.append(words.all_links.format(console))
    return Text(_title(alerts, about, words), "\n".join(lines), console)


def _phase(incident: Sequence[Alert]) -> AlertPhase:
    phases = [alert.phase for alert in incident]
    return AlertPhase.OPENED if AlertPhase.OPENED in phases else phases[-1]


def _title(
    alerts: Sequence[Alert], about: dict[AlertPhase, list[list[Alert]]], words: Words
) -> str:
    phase, incidents = next(iter(about.items()))
    first = incidents[0][0]
    cameras = {(one[0].site, one[0].camera) for one in incidents}
    title = (words.one if len(cameras) == 1 else words.many)[phase].format(
        label=_label(incidents, words),
        camera=f"{first.camera} ({first.site})",
        n=len(cameras),
    )
    marks = [words.exercise] if first.exercise else []
    marks += [words.late] if all(alert.late for alert in alerts) else []
    return " ".join([*(f"[{mark}]" for mark in marks), title])


def _lines(
    phase: AlertPhase, incidents: Iterable[list[Alert]], words: Words, *, is_first: bool
) -> Iterable[str]:
    """One for each camera; what the title does not say stands before it."""
    cameras: dict[tuple[str, str], list[list[Alert]]] = {}
    for incident in incidents:
        cameras.setdefault((incident[0].site, incident[0].camera), []).append(incident)
    for (site, camera), those in cameras.items():
        where = those[-1][-1].location.text
        name = f"{camera} ({site}){f', {where}' if where else ''}"
        if not is_first:
            name = words.one[phase].format(label=_label(those, words), camera=name)
        yield f"{name}: {', '.join(_facts(phase, those, words))}"


def _names(phase: AlertPhase, incidents: Sequence[list[Alert]], words: Words) -> Iterable[str]:
    """All cameras in a line, below what is said of all of them."""
    cameras = Counter((one[0].site, one[0].camera) for one in incidents)
    many = words.many if len(cameras) > 1 else words.one
    heading = many[phase].format(
        label=_label(incidents, words), camera=incidents[0][0].camera, n=len(cameras)
    )
    yield f"{heading}: {', '.join(_facts(phase, incidents, words))}"
    yield ", ".join(
        f"{camera} ({site}){f' ×{count}' if count > 1 else ''}"
        for (site, camera), count in cameras.items()
    )


def _label(incidents: Sequence[list[Alert]], words: Words) -> str:
    names = {one[0].label for one in incidents}
    return ", ".join(sorted(words.labels.get(name, name) for name in names))


def _facts(phase: AlertPhase, incidents: Sequence[list[Alert]], words: Words) -> Iterable[str]:
    """How many, when, how sure, whether all are over, why."""
    if len(incidents) > 1:
        yield words.incidents.format(len(incidents))
    opened = [incident[0].opened_at for incident in incidents]
    first, last = _time(min(opened)), _time(max(opened))
    yield first if first == last else f"{first}-{last}"
    if phase in {AlertPhase.OPENED, AlertPhase.UPDATED}:
        yield words.score.format(max(alert.score for one in incidents for alert in one))
        if all(incident[-1].phase is AlertPhase.CLOSED for incident in incidents):
            yield words.over
    if reason := incidents[-1][-1].reason:
        yield reason
    if any(alert.late for incident in incidents for alert in incident):
        yield words.late


def _time(when: datetime) -> str:
    """As the clock on the wall shows it; with the date where it is not today's."""
    local = when.astimezone()
    is_today = local.date() == datetime.now(local.tzinfo).date()
    return f"{local:%H:%M:%S}" if is_today else f"{local:%Y-%m-%d %H:%M:%S}"
