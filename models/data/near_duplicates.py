"""Fingerprints of clips, to find the same footage, or the same place, under two names.

A fingerprint is a difference hash of a few frames: what is left of a picture after another
encoding, size or brightness, and little else. Knows no labels and no splits; what a find means
is `models.data.leaks`' business.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray
from tqdm import tqdm

from config.errors import StreamError
from detector.footage.recording import NO_FRAME, decoded_frames, opened_video
from detector.motion.greys import plane
from detector.motion.orientation import orientation_of
from models.data.atomic_file import written_whole
from models.data.clips import Clip
from models.data.embeddings import clip_key

RECIPE = "dhash16-1"
"""Names what is kept; change it with anything below that changes a hash."""

SIDE = 16
"""Cells of a hash along each side: 2 × 16 × 16 = 512 bits, each whether a cell is brighter than
its left or upper neighbour (8 × 8 cells cannot part right from wrong pairs)."""

BITS = 2 * SIDE * SIDE
WORDS = BITS // 64

SMALL_SIDE = 64
"""Frames become squares of so many pixels first: it takes the shape of the picture out."""

PERIOD_S = 0.5
MAX_FRAMES = 16
"""Frames that are kept of a clip, evenly spread, its first and last among them: clips cut one
after the other from a recording meet there."""

BAR_LEVEL = 16
"""Rows and columns at the edge that never get brighter are bars, which are all alike."""

PLAIN_DEVIATION = 8.0
"""Frames whose grey values deviate less show nothing (black, a logo, a fade) and are all alike."""

ALIKE_BITS = 125
"""Frames that differ in at most so many of the 512 bits show the same place: of 154,000 pairs the
first wrong one had 133."""

BLOCK = 64
"""Clips compared at once with as many others: tables of 8 MB at most."""

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """What a clip looks like, and how it was recorded.

    `hashes` and `mirrored`: [n, 8] uint64, of n ≤ 16 frames at `times_s` [n] float64 and of
    their mirror images; n is 0 where nothing is to be seen. `fps` and `duration_s` are counted
    on the decoded frames; containers are often wrong about theirs.
    """

    clip: Clip
    width: int
    height: int
    fps: float
    duration_s: float
    times_s: NDArray[np.float64]
    hashes: Hashes
    mirrored: Hashes


@dataclass(frozen=True, slots=True)
class Alike:
    """Two clips with a frame of the same place: `bits` of 512 differ at these instants."""

    first: Clip
    second: Clip
    bits: int
    mirrored: bool
    first_s: float
    second_s: float


def fingerprints(
    clips: Sequence[Clip], cache: Path
) -> tuple[list[Fingerprint], list[tuple[Clip, str]]]:
    """Of every readable clip, and the unreadable ones with what is wrong with them."""
    found, unreadable = [], []
    with tqdm(clips, desc="fingerprints", unit="clip", disable=None) as progress:
        for clip in progress:
            try:
                found.append(fingerprint(clip, cache))
            except StreamError as error:
                unreadable.append((clip, str(error)))
                tqdm.write(f"unreadable: {error}", file=sys.stderr)
    return found, unreadable


def fingerprint(clip: Clip, cache: Path) -> Fingerprint:
    """One clip's, from the cache where it is; raises StreamError where it cannot be read."""
    kept = cache / "fingerprints" / RECIPE / f"{clip_key(clip)}.npz"
    if kept.is_file():
        with np.load(kept) as arrays:
            width, height, fps, duration_s = arrays["format"].tolist()
            times_s, hashes, mirrored = (arrays[n] for n in ("times_s", "hashes", "mirrored"))
        return Fingerprint(
            clip, int(width), int(height), fps, duration_s, times_s, hashes, mirrored
        )
    made = _read(clip)
    with written_whole(kept) as file:
        np.savez(
            file,
            format=np.array([made.width, made.height, made.fps, made.duration_s]),
            times_s=made.times_s,
            hashes=made.hashes,
            mirrored=made.mirrored,
        )
    return made


def alike(prints: Sequence[Fingerprint]) -> Iterator[Alike]:
    """Every two clips of different scenes that share a frame, at the instants most alike.

    Clips of one scene are never compared: a camera's empty street is in all of them.
    """
    blocks = [prints[i : i + BLOCK] for i in range(0, len(prints), BLOCK)]
    pairs = [(a, b) for a in range(len(blocks)) for b in range(a, len(blocks))]
    for a, b in tqdm(pairs, desc="comparing", unit="block", disable=None):
        for i, j in _candidates(blocks[a], blocks[b]):
            if (a < b or i < j) and blocks[a][i].clip.scene != blocks[b][j].clip.scene:
                yield _closest(blocks[a][i], blocks[b][j])


def _candidates(ones: Sequence[Fingerprint], others: Sequence[Fingerprint]) -> list[list[int]]:
    """Index pairs of clips of which any two frames are alike, straight or mirrored."""
    rows = np.repeat(np.arange(len(ones)), [len(one.hashes) for one in ones])
    columns = np.repeat(np.arange(len(others)), [len(other.hashes) for other in others])
    mine = np.concatenate([one.hashes for one in ones])
    found = np.zeros((len(ones), len(others)), np.bool_)
    for theirs in (
        np.concatenate([other.hashes for other in others]),
        np.concatenate([other.mirrored for other in others]),
    ):
        frame, other_frame = np.nonzero(_distances(mine, theirs) <= ALIKE_BITS)
        found[rows[frame], columns[other_frame]] = True
    return np.argwhere(found).tolist()


def _closest(one: Fingerprint, other: Fingerprint) -> Alike:
    straight = _distances(one.hashes, other.hashes)
    mirrored = _distances(one.hashes, other.mirrored)
    turned = bool(mirrored.min() < straight.min())
    table = mirrored if turned else straight
    i, j = np.unravel_index(int(table.argmin()), table.shape)
    return Alike(
        one.clip,
        other.clip,
        int(table[i, j]),
        turned,
        round(float(one.times_s[i]), 2),
        round(float(other.times_s[j]), 2),
    )


def _distances(ones: Hashes, others: Hashes) -> NDArray[np.uint16]:
    """Bits that differ, [len(ones), len(others)]."""
    table = np.zeros((len(ones), len(others)), np.uint16)
    for word in range(WORDS):
        table += np.bitwise_count(ones[:, word, None] ^ others[None, :, word])
    return table


def _read(clip: Clip) -> Fingerprint:
    greys: list[NDArray[np.uint8]] = []
    times: list[float] = []
    reformatter = VideoReformatter()
    frames, last_s, next_s, period_s = 0, 0.0, 0.0, PERIOD_S
    newest: av.VideoFrame | None = None
    with opened_video(clip.path) as container:
        for frame, at_s in decoded_frames(container):
            frames, last_s, newest = frames + 1, at_s, frame
            if at_s < next_s - 0.0005:  # containers round their time stamps
                continue
            greys.append(_small(frame, reformatter))
            times.append(at_s)
            if len(greys) == 4 * MAX_FRAMES:  # an hour needs no more memory than a minute
                del greys[1::2], times[1::2]
                period_s *= 2
            next_s = times[-1] + period_s
        if newest and last_s > times[-1]:
            greys.append(_small(newest, reformatter))
            times.append(last_s)
    if newest is None:
        raise StreamError(f"{clip.path}: {NO_FRAME}")
    fps = (frames - 1) / last_s if last_s > 0 else 0.0
    pictures = _without_bars(np.stack(greys))
    shown = np.flatnonzero(pictures.std(axis=(1, 2)) >= PLAIN_DEVIATION)
    shown = shown[_spread(len(shown))]
    return Fingerprint(
        clip,
        *orientation_of(newest).shown_size(newest.width, newest.height),
        fps,
        last_s + (1 / fps if fps else 0.0),
        np.array(times, np.float64)[shown],
        _hashed(pictures[shown]),
        _hashed(pictures[shown, :, ::-1]),
    )


def _small(frame: av.VideoFrame, reformatter: VideoReformatter) -> NDArray[np.uint8]:
    """The frame as a grey square, upright, area-averaged."""
    small = plane(
        reformatter.reformat(
            frame,
            SMALL_SIDE,
            SMALL_SIDE,
            format="gray8",
            interpolation=Interpolation.AREA,
            threads=1,
        )
    )
    return orientation_of(frame).upright(small)


def _spread(count: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, count - 1, min(count, MAX_FRAMES)).round()).astype(np.intp)


def _without_bars(greys: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`greys` [n, h, w] without rows and columns that are black throughout."""
    brightest = greys.max(axis=0)
    top, bottom = _lit(brightest.max(axis=1))
    left, right = _lit(brightest.max(axis=0))
    return greys[:, top:bottom, left:right]


def _lit(brightest: NDArray[np.uint8]) -> tuple[int, int]:
    lit = np.flatnonzero(brightest > BAR_LEVEL)
    if len(lit) < SMALL_SIDE // 2:  # too little for a picture between bars: a dark one
        return 0, len(brightest)
    return int(lit[0]), int(lit[-1]) + 1


def _hashed(greys: NDArray[np.uint8]) -> Hashes:
    hashes = np.zeros((len(greys), WORDS), np.uint64)
    for i, grey in enumerate(greys):
        wide = cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA)
        tall = cv2.resize(grey, (SIDE, SIDE + 1), interpolation=cv2.INTER_AREA)
        bits = [wide[:, 1:] > wide[:, :-1], tall[1:] > tall[:-1]]
        hashes[i] = np.packbits(np.concatenate([part.ravel() for part in bits])).view(np.uint64)
    return hashes
