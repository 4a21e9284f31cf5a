"""How good the scores are: ranking of clips, and incidents raised on streams.

Every figure is out-of-fold: each clip is scored by a head that was fitted without its scene.
Smoothing and incidents are the daemon's own code. Pure functions over scores; what to train
and what to export is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from detector.incidents import IncidentRules, IncidentTracker
from detector.smoothing import Smoother
from detector.types import Phase, Score
from models.dataset import Clip
from models.features import Features, Floats
from models.head import LinearHead, Platt

BOOTSTRAP_ROUNDS = 2000
GRACE_S = 1.5
"""An incident opened this long after a fight clip's end still counts for it: the smoother's
window, in which the fight's last views live on."""

START = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Auc:
    """Area under the ROC curve, 95 % interval by resampling scenes, and what it stands on."""

    auc: float
    low: float
    high: float
    clips: int
    scenes: int


@dataclass(frozen=True, slots=True, eq=False)
class ScoredStream:
    """A stream with its out-of-fold probabilities [n], 0 where nothing moves."""

    features: Features
    probabilities: Floats


@dataclass(frozen=True, slots=True)
class Alarms:
    """What a set of rules makes of streams."""

    fights: int
    fights_found: int
    normals: int
    normals_alarmed: int
    alarms: int
    hours: float
    """Footage without a fight, and the incidents opened in it (`alarms`)."""


def probabilities_of(features: Features, head: LinearHead, platt: Platt) -> Floats:
    """Calibrated probability of every view [n] float32, as the daemon gives it."""
    probabilities = np.zeros(len(features.moving), np.float32)
    probabilities[features.moving] = platt(head.logits(features.embeddings))
    return probabilities


def auc_of(scored: Sequence[ScoredStream], seed: int = 0) -> Auc:
    """How well the mean probability of a clip ranks fights above the rest."""
    clips = [stream.features.clip for stream in scored]
    means = np.array([s.probabilities.mean() if len(s.probabilities) else 0.0 for s in scored])
    violent = np.array([clip.violent for clip in clips])
    names, scene = np.unique([clip.scene for clip in clips], return_inverse=True)
    ones, zeros = means[violent][:, None], means[~violent][None, :]
    above = (ones > zeros) + 0.5 * (ones == zeros)

    def auc(weights: NDArray[np.float64]) -> float:
        of_ones, of_zeros = weights[violent], weights[~violent]
        return float(of_ones @ above @ of_zeros / (of_ones.sum() * of_zeros.sum()))

    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(BOOTSTRAP_ROUNDS):
        counts = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        weights = counts[scene].astype(np.float64)
        if weights[violent].any() and weights[~violent].any():
            drawn.append(auc(weights))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Auc(
        auc=round(auc(np.ones(len(clips))), 4),
        low=round(float(low), 4),
        high=round(float(high), 4),
        clips=len(clips),
        scenes=len(names),
    )


def event_streams(clips: Sequence[Clip]) -> list[tuple[Clip, ...]]:
    """Each clip with a fold between two other normal clips of its scene, where there are any.

    Fight and control alike: where a clip begins, the picture jumps, and a jump must not be
    what tells them apart.
    """
    streams = []
    for clip in clips:
        if clip.fold is None:
            continue
        others = [c for c in clips if c.scene == clip.scene and not c.violent and c != clip]
        streams.append((*others[:1], clip, *others[-1:]))
    return streams


def openings(scored: ScoredStream, rules: IncidentRules) -> list[float]:
    """The instants, in seconds, at which incidents open on a stream."""
    smoother, tracker = Smoother(), IncidentTracker("stream", "violence", rules)
    opened = []
    for at_s, value in zip(scored.features.times_s, scored.probabilities, strict=True):
        utc = START + timedelta(seconds=float(at_s))
        probability = float(value)
        score = Score("stream", utc, "violence", probability, smoother.push(utc, probability))
        incident = tracker.push(score)
        if incident is not None and incident.phase is Phase.OPENED:
            opened.append(float(at_s))
    return opened


def alarms_of(streams: Sequence[ScoredStream], rules: IncidentRules) -> Alarms:
    """Play `streams`, each with at most one fight clip, and count incidents.

    A fight is found by an incident that opens within its clip or `GRACE_S` after it; any
    other opening is a false alarm. Hours are those of the clips without fights.
    """
    fights = found = normals = alarmed = alarms = 0
    normal_s = 0.0
    for scored in streams:
        spans = _spans(scored.features)
        opened = openings(scored, rules)
        due = [
            span for span, clip in zip(spans, scored.features.parts, strict=True) if clip.violent
        ]
        hits = [at_s for at_s in opened if any(a <= at_s <= b + GRACE_S for a, b in due)]
        fights += len(due)
        found += bool(hits)
        normals += not due
        alarmed += not due and bool(opened)
        alarms += len(opened) - len(hits)
        normal_s += sum(b - a for a, b in spans) - sum(b - a for a, b in due)
    return Alarms(fights, found, normals, alarmed, alarms, round(normal_s / 3600, 4))


def _spans(features: Features) -> list[tuple[float, float]]:
    """From when to when each part of a stream runs, seconds; nothing for one without views."""
    spans = []
    for number in range(len(features.parts)):
        times = features.times_s[features.part == number]
        spans.append((float(times[0]), float(times[-1])) if len(times) else (0.0, 0.0))
    return spans
