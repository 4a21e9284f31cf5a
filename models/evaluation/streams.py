"""Streams on which incidents are counted: a fight between normal times of the same camera.

In the manner of certification of intelligent CCTV. Before and after each fight clip run 30 s
of normal footage of its scene; clips that are shorter are played forwards and backwards in
turn, which is seamless. So that no cut earns or costs anything, each half holds one join
normal → normal beside the join at the fight, and for each fight there is a control: the same
but with normal footage in the fight's place. Judges nothing: see `models.evaluation.events`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice, pairwise

import numpy as np
from numpy.typing import NDArray

from detector.footage.recording import EPOCH, recorded_samples
from detector.inference.engine import Engine, Floats
from detector.motion.view import GREYS_PER_VIEW, VIEW_SIDE, MotionTracker
from detector.types import SAMPLE_RATE_HZ, Box, Grey, MotionView, Sample
from models.data.clips import Clip
from models.data.embeddings import CHUNK, Embedded
from models.evaluation.looking import NamedPicture, Place

SEGMENT_S = 15.0
"""Normal footage between two joins; two of them on each side of a fight make the 30 s."""

JOINS = 4
"""Joins of a stream: two at the fight or what stands for it, one further on either side."""

CLIP_CAP_S = 60.0
SCENE_CAP_S = 240.0
"""Of a normal clip, and of a scene's normal clips together, at most this much is played:
150 MB of greys."""

JOIN_S = 1 / SAMPLE_RATE_HZ
"""A join is a cut, not a pause: the next picture comes when it is due."""

RESTART_S = 10.0
"""A pause after which a motion tracker starts anew, far above its `MAX_GAP_S`: else it would
make a view of each of the five greys that one is asked of."""

NOWHERE = Box(0, 0, 0, 0)
EMPTY = np.zeros((0, 0, 3), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """A decoded clip: its greys, and the second of each, [n] float64.

    `size`: width and height of its first picture, pixels; for the second look.
    """

    clip: Clip
    greys: list[Grey]
    times_s: NDArray[np.float64]
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """What a stream plays: `places`, one a tick, and when, [n] float64 seconds.

    `fight`: the clip that it is about; a control plays normal footage in its place.
    `start_s`, `end_s`: from when to when the fight, or what stands for it, runs.
    """

    fight: Clip
    control: bool
    places: tuple[Place, ...]
    times_s: NDArray[np.float64]
    start_s: float
    end_s: float


def footage_of(clip: Clip, cap_s: float) -> Footage:
    """The first `cap_s` seconds of a clip; raises StreamError where it cannot be read."""
    greys: list[Grey] = []
    times, size = [], (0, 0)
    for sample in recorded_samples(clip.path):
        if sample.pts_s > cap_s:
            break
        assert sample.frame is not None
        size = size if greys else sample.frame.size
        greys.append(sample.grey)
        times.append(sample.pts_s)
    return Footage(clip, greys, np.array(times, np.float64), size)


def normal_footage(clips: Sequence[Clip]) -> list[Footage]:
    """Normal footage of one scene, long enough for a view, within the caps.

    Where a scene has more than that, which clips are taken hangs on their names alone.
    """
    chosen: list[Footage] = []
    held_s = 0.0
    for clip in sorted(clips, key=lambda c: hashlib.sha256(c.name.encode()).digest()):
        footage = footage_of(clip, CLIP_CAP_S)
        if len(footage.greys) >= GREYS_PER_VIEW:
            chosen.append(footage)
            held_s += float(footage.times_s[-1])
        if held_s >= SCENE_CAP_S:
            break
    return chosen


class StreamBuilder:
    """Writes the scripts of one scene's fights and their controls, on its normal footage."""

    def __init__(self, normals: Sequence[Footage]) -> None:
        """`normals`: at least one, each with two greys or more."""
        self._normals = normals
        self._turn = 0
        self._last = {footage.clip.name: -1 for footage in normals}

    def scripts(self, fight: Footage) -> tuple[Script, Script]:
        """The stream of a fight, and its control."""
        length_s = float(fight.times_s[-1]) + JOIN_S
        middle = [(fight.clip.name, i) for i in range(len(fight.greys))]
        before, after = self._half(), self._half()
        stream = _script(fight.clip, False, before, middle, after, [*self._normals, fight])
        before, stand_in, after = self._half(), self._segment(length_s), self._half()
        control = _script(fight.clip, True, before, stand_in, after, self._normals)
        return stream, control

    def _half(self) -> list[Place]:
        return self._segment(SEGMENT_S) + self._segment(SEGMENT_S)

    def _segment(self, seconds: float) -> list[Place]:
        """The next clip in turn, to and fro, for `seconds`.

        It starts half its length from where it was left: a join is a jump even where a
        scene has a single clip, and of long ones everything is played.
        """
        footage = self._normals[self._turn % len(self._normals)]
        self._turn += 1
        name, count = footage.clip.name, len(footage.greys)
        position = (self._last[name] + count // 2) % count if self._last[name] >= 0 else 0
        places: list[Place] = []
        passed_s = 0.0
        while passed_s < seconds:
            index = position if position < count else 2 * count - 2 - position
            if places:
                passed_s += abs(float(footage.times_s[index] - footage.times_s[places[-1][1]]))
            else:
                passed_s += JOIN_S
            places.append((name, index))
            position = (position + 1) % (2 * count - 2)
        self._last[name] = places[-1][1]
        return places


def _script(
    fight: Clip,
    control: bool,
    before: list[Place],
    middle: list[Place],
    after: list[Place],
    footage: Sequence[Footage],
) -> Script:
    times_of = {own.clip.name: own.times_s for own in footage}
    places = (*before, *middle, *after)
    steps = [_step_s(times_of, *pair) for pair in pairwise(places)]
    times_s = np.concatenate([[0.0], np.cumsum(steps)])
    start, end = len(before), len(before) + len(middle) - 1
    return Script(fight, control, places, times_s, float(times_s[start]), float(times_s[end]))


def _step_s(times_of: Mapping[str, NDArray[np.float64]], one: Place, other: Place) -> float:
    """From one grey to the next: as in the clip, either way; at a join, one tick."""
    if one[0] == other[0] and abs(one[1] - other[1]) == 1:
        return abs(float(times_of[one[0]][one[1]] - times_of[other[0]][other[1]]))
    return JOIN_S


class StreamEmbedder:
    """Embeds the streams of one scene, each distinct view once.

    A view depends on five greys in a row and nothing else, and streams that play a few clips
    over and over have few such: a stream of a minute costs as much as seconds of it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tracker = MotionTracker()
        self._clock_s = 0.0
        self._known: dict[tuple[Place, ...], Floats | bool] = {}
        """The embedding; False: nothing moves; True: no view (too far apart, another size)."""
        self._boxes: dict[tuple[Place, ...], Box] = {}

    def __call__(self, script: Script, footage: Mapping[str, Footage]) -> Embedded:
        """The stream as the head sees it; `footage` by the names of clips."""
        fives = _fives(script)
        fresh = self._views(script, fives, footage)
        while chunk := list(islice(fresh, CHUNK)):
            fresh_values = self._engine.embed(np.stack([view.pixels for _, view in chunk]))
            for (five, _), value in zip(chunk, fresh_values, strict=True):
                self._known[five] = value
        found = [self._known[five] for five in fives]
        seen = np.array([known is not True for known in found], np.bool_)
        values = [known for known in found if not isinstance(known, bool)]
        return Embedded(
            script.fight,
            script.times_s[GREYS_PER_VIEW - 1 :][seen],
            np.array([known is not False for known in found if known is not True], np.bool_),
            np.stack(values) if values else self._nothing(),
        )

    def _views(
        self,
        script: Script,
        fives: Sequence[tuple[Place, ...]],
        footage: Mapping[str, Footage],
    ) -> Iterator[tuple[tuple[Place, ...], MotionView]]:
        """The moving ones among the views not yet known; of the others it is noted."""
        waiting: set[tuple[Place, ...]] = set()
        for start, five in enumerate(fives):
            if five in self._known or five in waiting:
                continue
            self._clock_s += RESTART_S
            view = None
            for offset, (name, index) in enumerate(five):
                passed_s = float(script.times_s[start + offset] - script.times_s[start])
                view = self._tracker.view_of(
                    _sample(self._clock_s + passed_s, footage[name].greys[index])
                )
            self._clock_s += passed_s
            if view is None or not view.moving:
                self._known[five] = view is None
            else:
                waiting.add(five)
                self._boxes[five] = view.box
                yield five, view

    def pictures(
        self, script: Script, footage: Mapping[str, Footage]
    ) -> Iterator[tuple[Sample, MotionView | None]]:
        """The stream's pictures by name, and the view at each, without its pixels.

        Only of a stream that has been embedded.
        """
        views: list[MotionView | None] = [None] * (GREYS_PER_VIEW - 1)
        for five in _fives(script):
            box = self._boxes.get(five)
            known = MotionView("stream", EPOCH, EMPTY, box or NOWHERE, moving=box is not None)
            views.append(None if self._known[five] is True else known)
        for (name, index), at_s, view in zip(script.places, script.times_s, views, strict=True):
            picture = NamedPicture((name, index), footage[name].size)
            sample = _sample(float(at_s), footage[name].greys[index])
            yield replace(sample, frame=picture), view

    def _nothing(self) -> Floats:
        return self._engine.embed(np.zeros((1, VIEW_SIDE, VIEW_SIDE, 3), np.float32))[:0]


def _fives(script: Script) -> list[tuple[Place, ...]]:
    """The places that each view is made of."""
    count = len(script.places) - GREYS_PER_VIEW + 1
    return [script.places[i : i + GREYS_PER_VIEW] for i in range(count)]


def _sample(at_s: float, grey: Grey) -> Sample:
    return Sample("stream", EPOCH + timedelta(seconds=at_s), at_s, at_s, grey)
