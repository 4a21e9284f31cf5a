"""Incidents as an operator counts them: fights found, how late, and what was raised for nothing.

Plays scored clips and streams through the daemon's own judgement over a camera, and counts.
A hit is an incident that opens between the fight's start and 2 s after its end, one a fight;
every other incident is false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detector.footage.recording import EPOCH
from detector.incidents.second_look import FusedJudgement
from detector.incidents.smoothing import Smoother
from detector.incidents.tracker import IncidentRules, IncidentTracker
from detector.types import Phase, Score
from models.data.clips import Event
from models.evaluation.looks import Looks
from models.evaluation.scoring import ScoredClip
from models.statistics import (
    FalseRate,
    Interval,
    Reasons,
    false_rate,
    missing,
    ratio_interval,
    share,
)

GRACE_S = 2.0
"""An incident that opens this long after a fight's end still counts for it."""


class Kind(StrEnum):
    """What was played."""

    STREAM = "stream"
    """A fight clip between normal footage of its scene."""
    CONTROL = "control"
    """The same without the fight."""
    RECORDING = "recording"
    """An untrimmed recording, as it is."""
    NORMAL = "normal"
    """A normal clip, as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """Something to play: its scores, what happens in it and when, its length in seconds.

    `looks`: the second look's, where there is one that may judge it.
    """

    kind: Kind
    scored: ScoredClip
    events: tuple[Event, ...]
    seconds: float
    looks: Looks | None = None


@dataclass(frozen=True, slots=True)
class Fight:
    """One event, and how late the incident for it opened; None where none did."""

    start_s: float
    end_s: float
    delay_s: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What one label's incidents came to on one play.

    `false_s`: when the false ones opened; `outside_s`: those of them at no event of any kind.
    """

    play: Play
    fights: tuple[Fight, ...]
    false_s: tuple[float, ...]
    outside_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class EventFigures:
    """Incidents against events, over streams, controls and recordings of so many hours.

    `fights_left_out`: those that no stream could be made of, for want of normal footage.
    """

    f1: float | None
    f1_interval: Interval | None
    recall: float | None
    recall_interval: Interval | None
    precision: float | None
    median_delay_s: float | None
    p95_delay_s: float | None
    fights: int
    found: int
    false_incidents: int
    streams: int
    controls: int
    recordings: int
    fights_left_out: int
    hours: float


@dataclass(frozen=True, slots=True)
class NormalFigures(FalseRate):
    """False incidents on `clips` in which nothing happens, or outside of what does."""

    clips: int


RulesFor = Callable[[Play], Mapping[str, IncidentRules]]
"""The rules of each label: fixed ones, or calibrated for the scene."""


def fixed_rules(play: Play) -> Mapping[str, IncidentRules]:
    """The weights' own rules, the same for every camera."""
    rules = play.scored.classifier.rules()
    return {**rules, play.looks.label: play.looks.rules.incident} if play.looks else rules


def stands_on(play: Play, label: str) -> list[float]:
    """What incidents of a label stand on: a probability a view.

    A smoothed one, or what both stages say; each answer of the second look is there at once.
    """
    smoother, times_s = Smoother(), play.scored.times_s.tolist()
    values = zip(times_s, play.scored.of(label).tolist(), strict=True)
    smoothed = [smoother.smooth(at_s, probability) for at_s, probability in values]
    looks = play.looks
    if looks is None or looks.label != label:
        return smoothed
    judgement = FusedJudgement(looks.rules)
    found = []
    for view, (at_s, value) in enumerate(zip(times_s, smoothed, strict=True)):
        if view in looks.logits:
            judgement.due(at_s, value)
            judgement.looked(at_s, looks.logits[view])
        found.append(judgement.verdict(at_s, value).probability)
    return found


def openings(play: Play, rules: Mapping[str, IncidentRules]) -> list[tuple[str, float]]:
    """Label and second of every incident that opens, of the labels that there are rules for."""
    camera, times_s = play.scored.clip.scene, play.scored.times_s.tolist()
    opened = []
    for label, own in rules.items():
        tracker = IncidentTracker(camera, label, own)
        for at_s, value in zip(times_s, stands_on(play, label), strict=True):
            utc = EPOCH + timedelta(seconds=at_s)
            change = tracker.follow(Score(camera, at_s, utc, label, value, value))
            opened += [(label, at_s)] if change and change.phase is Phase.OPENED else []
    return opened


def outcomes(
    plays: Sequence[Play], labels: Sequence[str], rules_for: RulesFor
) -> dict[str, list[Outcome]]:
    """Every play's outcome, for each label: hits by its own events only."""
    found: dict[str, list[Outcome]] = {label: [] for label in labels}
    for play in tqdm(plays, desc="incidents", unit="stream", disable=None):
        opened = openings(play, rules_for(play))
        for label in labels:
            found[label].append(_outcome(play, label, [at for own, at in opened if own == label]))
    return found


def _outcome(play: Play, label: str, opened: Sequence[float]) -> Outcome:
    due = [event for event in play.events if event.label == label]
    delays: dict[Event, float] = {}
    false, outside = [], []
    for at_s in opened:
        at = [event for event in due if _covers(event, at_s) and event not in delays]
        if at:
            delays[at[0]] = at_s - at[0].start_s
            continue
        false.append(at_s)
        if not any(_covers(event, at_s) for event in play.events):
            outside.append(at_s)
    fights = tuple(Fight(event.start_s, event.end_s, delays.get(event)) for event in due)
    return Outcome(play, fights, tuple(false), tuple(outside))


def _covers(event: Event, at_s: float) -> bool:
    return event.start_s <= at_s <= event.end_s + GRACE_S


def event_figures(
    found: Sequence[Outcome], label: str, left_out: int
) -> tuple[EventFigures, Reasons]:
    """Recall, precision, F1 and delays over streams, controls and recordings with events.

    `left_out`: fights that no stream could be made of, for want of normal footage.
    """
    taken = [outcome for outcome in found if outcome.play.kind is not Kind.NORMAL]
    fights = [fight for outcome in taken for fight in outcome.fights]
    delays = [fight.delay_s for fight in fights if fight.delay_s is not None]
    hits, false = len(delays), sum(len(outcome.false_s) for outcome in taken)
    table = _by_scene(taken)
    figures = EventFigures(
        f1=share(2 * hits, hits + false + len(fights)) if fights else None,
        f1_interval=ratio_interval(2 * table[1], table.sum(axis=0)),
        recall=share(hits, len(fights)),
        recall_interval=ratio_interval(table[1], table[0]),
        precision=share(hits, hits + false) if fights else None,
        median_delay_s=float(np.median(delays)) if delays else None,
        p95_delay_s=float(np.quantile(delays, 0.95)) if delays else None,
        fights=len(fights),
        found=hits,
        false_incidents=false,
        streams=_count(taken, Kind.STREAM),
        controls=_count(taken, Kind.CONTROL),
        recordings=_count(taken, Kind.RECORDING),
        fights_left_out=left_out,
        hours=sum(outcome.play.seconds for outcome in taken) / 3600,
    )
    return figures, _event_reasons(figures, label)


def _by_scene(taken: Sequence[Outcome]) -> NDArray[np.float64]:
    """Fights, hits and false incidents of each scene, [3, scenes]."""
    rows: dict[str, list[int]] = {}
    for outcome in taken:
        row = rows.setdefault(outcome.play.scored.clip.scene, [0, 0, 0])
        row[0] += len(outcome.fights)
        row[1] += sum(fight.delay_s is not None for fight in outcome.fights)
        row[2] += len(outcome.false_s)
    return np.array(list(rows.values()), np.float64).reshape(-1, 3).T


def _event_reasons(figures: EventFigures, label: str) -> Reasons:
    if figures.fights:
        why = "no fight was found, so none has a delay"
    elif figures.fights_left_out:
        why = f"no scene has both {label} and normal footage, to play one within the other"
    else:
        why = f"nothing in it is labelled {label}"
    reasons = dict.fromkeys(missing(figures), why)
    if figures.fights:
        for name in {"f1_interval", "recall_interval"} & set(reasons):
            reasons[name] = "all of it is of one scene, so none can be resampled"
        if "precision" in reasons:
            reasons["precision"] = "no incident was raised"
    return reasons


def _count(taken: Sequence[Outcome], kind: Kind) -> int:
    return sum(outcome.play.kind is kind for outcome in taken)


def normal_figures(found: Sequence[Outcome]) -> tuple[NormalFigures, Reasons]:
    """False incidents an hour of footage in which nothing happens.

    Normal clips as they are, and recordings outside their events.
    """
    taken = [o for o in found if o.play.kind in (Kind.NORMAL, Kind.RECORDING)]
    seconds = sum(max(0.0, o.play.seconds - _covered_s(o.play.events)) for o in taken)
    rate, reasons = false_rate(sum(len(o.outside_s) for o in taken), seconds / 3600)
    figures = NormalFigures(
        rate.false_incidents_per_hour,
        rate.hours,
        rate.false_incidents,
        rate.upper_95_per_hour,
        clips=len(taken),
    )
    return figures, reasons


def _covered_s(events: Sequence[Event]) -> float:
    """Seconds within any of the events and their grace."""
    covered, until = 0.0, 0.0
    for event in sorted(events, key=lambda e: e.start_s):
        end_s = event.end_s + GRACE_S
        covered += max(0.0, end_s - max(until, event.start_s))
        until = max(until, end_s)
    return covered
