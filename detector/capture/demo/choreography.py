"""What people do in the rendered demo scenes: walk, stand and talk, brawl.

Nothing here knows of the detector: a brawl is seeded anew for each cycle, no rendered picture
is in the training data, and whether the network sees the fight is up to the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np

from detector.capture.demo.bodies import (
    CYCLE_S,
    POSES,
    POSES_HZ,
    SIDES,
    TIMES_S,
    Body,
    Figure,
    Floats,
    Look,
    headings,
    smooth,
    solve,
)

SceneName = Literal["calm", "scuffle"]

BRAWL_START_S, BRAWL_END_S = 20.0, 28.5


def _walk(look: Look, start_s: float, speed: float, *points: tuple[float, float]) -> Body:
    """Somebody who walks through `points` (x, z) from `start_s` at `speed` m/s."""
    path = np.array(points)
    times = start_s + np.concatenate([[0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))]) / speed
    ground = np.stack([np.interp(TIMES_S, times, path[:, a]) for a in (0, 1)], -1)
    ground = smooth(ground, 0.5)
    return Body.at_ease(look, ground, _heading(ground))


def _heading(ground: Floats) -> Floats:
    """Where somebody faces who walks along `ground`; kept while standing."""
    speed = np.gradient(ground, 1 / POSES_HZ, axis=0)
    moving = np.flatnonzero(np.hypot(*speed.T) > 0.15)
    if not len(moving):
        return np.zeros(POSES)
    angle = np.unwrap(np.arctan2(speed[moving, 0], speed[moving, 1]))
    return smooth(np.interp(np.arange(POSES), moving, angle), 0.3)


def _bumps(rng: np.random.Generator, rate_hz: float, lasts_s: float) -> Floats:
    """A curve [n] of soft single movements at irregular times, each 0…1."""
    curve = np.zeros(POSES)
    at = rng.exponential(1 / rate_hz)
    while at < CYCLE_S:
        long = lasts_s * rng.uniform(0.6, 1.5)
        curve += rng.uniform(0.5, 1) * np.exp(-(((TIMES_S - at) / (0.35 * long)) ** 2))
        at += long + rng.exponential(1 / rate_hz)
    return np.minimum(curve, 1.0)


def _stand(look: Look, spot: tuple[float, float], yaw: float, rng: np.random.Generator) -> Body:
    """Somebody who stands and talks with small gestures."""
    # Still at both ends, so that nobody jumps when the next cycle begins.
    settled = np.interp(TIMES_S, [0, 2, CYCLE_S - 2, CYCLE_S], [0, 1, 1, 0])[:, None]
    sway = smooth(rng.normal(size=(POSES, 4)), 1.2) * 5 * settled
    body = Body.at_ease(look, np.array(spot) + 0.012 * sway[:, :2], yaw + 0.08 * sway[:, 2])
    body.roll += 0.02 * sway[:, 3]
    _gesture(body, rng, 0.2)
    body.reach *= settled
    return body


def _gesture(body: Body, rng: np.random.Generator, rate_hz: float) -> None:
    forward, right = headings(body.yaw)
    tall = body.look.height
    chest = np.stack([body.ground[:, 0], np.full(POSES, 0.68 * tall), body.ground[:, 1]], -1)
    for k, side in enumerate(SIDES):
        wave = 0.05 * np.sin(TIMES_S * rng.uniform(5, 8))[:, None]
        body.hands[:, k] = chest + forward * 0.3 + right * side * (0.2 + wave) + [0, 0.03, 0]
        body.reach[:, k] = _bumps(rng, rate_hz, 1.4)


def _pick(rng: np.random.Generator) -> Look:
    """Somebody of the street, in plain clothes."""
    top = int(rng.choice([45, 62, 95, 130, 165, 195]))
    return Look(
        height=rng.uniform(1.6, 1.86),
        top=top,
        trousers=int(rng.choice([30, 45, 70, 110])),
        hair=int(rng.choice([25, 40, 70])),
        skin=int(rng.uniform(125, 165)),
        stripe=top + int(rng.choice([-18, 18])) if rng.random() < 0.5 else None,
    )


def _passers(rng: np.random.Generator, *groups: Sequence[float]) -> list[Body]:
    """People who cross the yard at 1.1 to 1.4 m/s, setting out at about the given seconds.

    Those of a group walk the same way, one group's against the other's, so that nobody meets
    in mid-yard: people who cross each other are what the first weights mistake for a fight.
    """
    bodies = []
    way = rng.choice([-1.0, 1.0])
    for starts in groups:
        way = -way
        for start in starts:
            first, last = rng.uniform(5.6, 8.2), rng.uniform(5.6, 8.2)
            middle = (rng.uniform(-1, 1), (first + last) / 2)
            begin = start + rng.uniform(-0.5, 2.0)
            path = (-8.0 * way, first), middle, (8.0 * way, last)
            bodies.append(_walk(_pick(rng), begin, rng.uniform(1.1, 1.4), *path))
    return bodies


def _talkers(rng: np.random.Generator) -> list[Body]:
    """Two people who stand by the wall for the whole cycle."""
    return [
        _stand(Look(1.74, 165, 60, 40), (2.55, 9.6), -1.9, rng),
        _stand(Look(1.64, 70, 95, 25, stripe=150), (1.75, 9.4), 1.4, rng),
    ]


def _ramp(values: list[tuple[float, float]], smoothing_s: float) -> Floats:
    """A curve [n] that holds each (from second, value) until the next, its steps rounded."""
    at = np.searchsorted([start for start, _ in values], TIMES_S, side="right") - 1
    levels = np.array([value for _, value in values])
    return smooth(levels[np.maximum(at, 0)], smoothing_s)


def _pulses(starts: list[float], rise_s: float, fall_s: float) -> Floats:
    """A curve [n] that shoots to 1 after each of `starts` and falls back."""
    curve = np.zeros(POSES)
    for start in starts:
        pulse = np.interp(
            TIMES_S - start, [0, rise_s, rise_s + 0.04, rise_s + fall_s], [0, 1, 1, 0]
        )
        curve = np.maximum(curve, pulse)
    return smooth(curve, 0.02)


def _restless(rng: np.random.Generator, seconds: float) -> Floats:
    """Smooth noise [n] of unit deviation that changes its mind about every `seconds`."""
    noise = smooth(rng.normal(size=POSES), seconds)
    return np.asarray(noise / noise.std())


class _Bouts:
    """The plan of one brawl: bouts of boxing, clinching and shoving at irregular times."""

    def __init__(self, rng: np.random.Generator) -> None:
        kinds = ["box", "clinch", "shove"]
        self.plan: list[tuple[float, str, int]] = []  # start, kind, who leads
        at, last = BRAWL_START_S, "clinch"
        while at < BRAWL_END_S:
            last = str(rng.choice([kind for kind in kinds if kind != last]))
            self.plan.append((at, last, int(rng.integers(2))))
            at += rng.uniform(0.9, 1.3) if last == "shove" else rng.uniform(1.0, 2.0)
        self.plan.append((BRAWL_END_S, "over", 0))

    def level(self, smoothing_s: float = 0.12, **of: float) -> Floats:
        """A curve [n] that is `of[kind]` during each bout of that kind, else 0."""
        steps = [(0.0, 0.0)] + [(start, of.get(kind, 0.0)) for start, kind, _ in self.plan]
        return _ramp(steps, smoothing_s)

    def spans(self, *kinds: str) -> list[tuple[float, float, int]]:
        """Start, end and leader of every bout of these kinds."""
        ends = [start for start, _, _ in self.plan[1:]]
        return [
            (start, end, who)
            for (start, kind, who), end in zip(self.plan, ends, strict=False)
            if kind in kinds
        ]


def _brawlers(rng: np.random.Generator) -> list[Body]:
    """Two people who meet, argue, brawl for `BRAWL_START_S` to `BRAWL_END_S`, and part."""
    bouts = _Bouts(rng)
    on = bouts.level(0.2, box=1, clinch=1, shove=1)
    meet = np.array([rng.uniform(-0.6, 0.6), rng.uniform(5.4, 5.9)])
    grounds = _approach(rng, meet)
    # During the brawl the two are held by one axis: its middle staggers, it turns, it stretches.
    middle = meet + np.stack([0.4 * _restless(rng, 0.7), 0.22 * _restless(rng, 0.7)], -1)
    middle += bouts.level(clinch=0.17)[:, None] * np.stack(
        [_restless(rng, 0.25), 0.6 * _restless(rng, 0.25)], -1
    )
    turn = 0.5 * _restless(rng, 0.9) + bouts.level(clinch=0.5) * _restless(rng, 0.4)
    thrown = np.zeros(POSES)
    for start, _, _ in bouts.spans("shove"):
        thrown = np.maximum(thrown, _pulses([start + 0.25], 0.28, 0.75))
    apart = 0.62 + bouts.level(box=0.16, clinch=-0.2) + 0.06 * _restless(rng, 0.3) + 0.9 * thrown
    axis = np.stack([np.cos(turn), np.sin(turn)], -1) * apart[:, None] / 2
    bodies = []
    for k, look in enumerate(
        [Look(1.82, 236, 34, 30, 175), Look(1.74, 30, 165, 28, 165, stripe=205)]
    ):
        fighting = middle + (axis if k else -axis)
        ground = grounds[k] + on[:, None] * (fighting - grounds[k])
        bodies.append(Body.at_ease(look, ground, _heading(grounds[k])))
    for k in (0, 1):
        towards = bodies[1 - k].ground - bodies[k].ground
        facing = np.unwrap(np.arctan2(towards[:, 0], towards[:, 1]))
        near = _ramp([(0, 0), (16.5, 1), (BRAWL_END_S + 0.6, 0)], 0.5)
        turned = facing + 2 * np.pi * np.round((bodies[k].yaw - facing) / (2 * np.pi))
        bodies[k].yaw = bodies[k].yaw + near * (turned - bodies[k].yaw)
        _gesture(bodies[k], rng, 0.5)
        bodies[k].reach *= (near - on)[:, None].clip(0, 1)
    for k in (0, 1):
        _fight(bodies[k], bodies[1 - k], k, bouts, on, rng)
    return bodies


def _approach(rng: np.random.Generator, meet: Floats) -> list[Floats]:
    """Where the two walk before and after the brawl, each [n, 2]."""
    grounds = []
    for side in (-1.0, 1.0):
        spot = meet + np.array([side * 0.42, 0])
        start, end = 12 + rng.uniform(-0.7, 0.7), BRAWL_END_S + (0.8 if side > 0 else 2.2)
        gone = spot + np.array([side, 0])
        times = [0, start, start + 5.2, BRAWL_END_S, end, end + 1.2, end + 6.5]
        x = [side * 7.5, side * 7.5, spot[0], spot[0], spot[0], gone[0], side * 7.5]
        z = [7.5, 7.5, spot[1], spot[1], spot[1], gone[1], 6.6]
        path = np.stack([np.interp(TIMES_S, times, x), np.interp(TIMES_S, times, z)], -1)
        grounds.append(smooth(path, 0.5))
    return grounds


def _fight(
    body: Body, other: Body, k: int, bouts: _Bouts, on: Floats, rng: np.random.Generator
) -> None:
    """Lays the brawl over one body: fists, grips, lunges, and what the other's blows do to it."""
    tall = body.look.height
    forward, right = headings(body.yaw)
    up = np.array([0.0, 1.0, 0.0])
    root = np.stack([body.ground[:, 0], np.zeros(POSES), body.ground[:, 1]], -1)
    foe = np.stack([other.ground[:, 0], np.zeros(POSES), other.ground[:, 1]], -1)
    face = foe + up * 0.9 * other.look.height - 0.12 * forward
    clinch = bouts.level(clinch=1)
    blows = _blows(bouts, k, rng)
    # Blows of the other come with his own seed; what counts is that heads fly at all.
    hit = _pulses([s + 0.1 for s, _, who in bouts.spans("box") if who != k], 0.08, 0.5)
    leads = [s for s, _, who in bouts.spans("shove") if who == k]
    suffers = [s for s, _, who in bouts.spans("shove") if who != k]
    push, thrown = (
        _pulses([s + 0.1 for s in leads], 0.2, 0.5),
        _pulses([s + 0.28 for s in suffers], 0.12, 0.8),
    )
    lean = 0.22 + 0.3 * clinch + 0.35 * push - 0.6 * thrown - 0.3 * hit
    lean += 0.1 * _restless(rng, 0.25)
    roll = 0.14 * _restless(rng, 0.3) * (1 + clinch)
    twist = 0.2 * _restless(rng, 0.3)
    for j, side in enumerate((-1.0, 1.0)):
        strike, wind = blows[j]
        lean += 0.22 * strike
        twist -= side * (0.7 * strike - 0.4 * wind)
        wobble = np.stack([_restless(rng, 0.16) for _ in range(3)], -1)
        guard = root + up * 0.80 * tall + 0.3 * forward + side * 0.13 * right + 0.05 * wobble
        grip = foe + up * (0.78 if j else 0.6) * other.look.height + side * 0.2 * right
        grip += 0.11 * wobble
        flung = root + up * (0.95 * tall) + side * 0.55 * right - 0.1 * forward + 0.1 * wobble
        chest = foe + up * 0.76 * other.look.height + side * 0.12 * right + 0.1 * forward
        hand = guard + wind[:, None] * (side * 0.15 * right - 0.25 * forward)
        hand += clinch[:, None] * (grip - hand)
        hand += strike[:, None] * (face + 0.08 * wobble - hand)
        hand += push[:, None] * (chest - hand)
        hand += thrown[:, None] * (flung - hand)
        body.hands[:, j] += on[:, None] * (hand - body.hands[:, j])
        body.reach[:, j] += on * (1 - body.reach[:, j])
    body.nod += (on * hit)[:, None] * (-0.12 * forward + 0.06 * right)
    body.lean += on * (lean - body.lean)
    body.roll += on * roll
    body.twist += on * twist
    body.crouch += on * (0.05 + 0.07 * clinch + 0.03 * np.abs(_restless(rng, 0.3)))
    kicks = [s + rng.uniform(0.4, 0.8) for s, e, _ in bouts.spans("box") if e - s > 1.2]
    kick = _pulses([s for s in kicks if rng.random() < 0.5], 0.16, 0.4)
    body.kick[:, 1] = on * kick
    body.feet[:, 1] = foe + up * 0.38 * tall - 0.15 * forward


def _blows(
    bouts: _Bouts, k: int, rng: np.random.Generator
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """For each hand, how far it is in a blow and in drawing back for one, [n] each."""
    starts: tuple[list[float], list[float]] = ([], [])
    for begin, end, who in bouts.spans("box", "clinch"):
        at, hand = begin + rng.uniform(0, 0.4), int(rng.integers(2))
        while at < end - 0.2:
            starts[hand].append(at)
            hand = 1 - hand if rng.random() < 0.7 else hand
            at += rng.uniform(0.22, 0.5) * (1 if who == k else 1.6)
    left, right = (
        (_pulses([s + 0.12 for s in own], 0.09, 0.22), _pulses(own, 0.1, 0.14)) for own in starts
    )
    return left, right


@lru_cache(maxsize=4)
def figures(scene: SceneName, cycle: int) -> tuple[Figure, ...]:
    """Everybody of `scene` in its cycle number `cycle`; the same for the same arguments."""
    rng = np.random.default_rng([cycle, len(scene)])
    bodies = _talkers(rng)
    if scene == "scuffle":
        bodies += _passers(rng, [0.0], [36.0, 43.0]) + _brawlers(rng)
    else:
        bodies += _passers(rng, [0.0, 7.0, 14.0], [30.0, 37.0, 43.0])
    return tuple(solve(body) for body in bodies)
