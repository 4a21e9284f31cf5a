"""A few views of every clip, on disk: what networks are trained, quantised and checked with.

At most so many of each meaning of a clip, evenly spaced, one byte a pixel: memory and disk
stay bounded whatever the length of a recording. (Embeddings, which are all kept, are 576
numbers a view; these are 27,648.)
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from config.errors import StreamError
from detector.footage.recording import EPOCH
from detector.inference.engine import Floats
from detector.motion.view import VIEW_SIDE
from models.data.atomic_file import written_whole
from models.data.clips import Clip, labels_at
from models.data.embeddings import clip_key, clip_views

STEPS = 127
"""A view's −1…1 in whole numbers: half a grey level of the picture each."""


@dataclass(frozen=True, slots=True)
class ViewFile:
    """Where the views of one meaning of a clip lie: a file of `count` views."""

    clip: Clip
    labels: frozenset[str]
    file: Path
    count: int

    def read(self, numbers: Sequence[int] | NDArray[np.int64]) -> Floats:
        """The views with these numbers, [n, 96, 96, 3] float32; the rest stays on disk."""
        stored = np.load(self.file, mmap_mode="r")
        return np.asarray(stored[numbers], np.float32) / np.float32(STEPS)


def store_views(clips: Sequence[Clip], most: int, cache: Path) -> list[ViewFile]:
    """The moving views of every readable clip, at most `most` of each of its meanings.

    Unreadable clips are named on the terminal and skipped.
    """
    files: list[ViewFile] = []
    with tqdm(clips, desc="views", unit="clip", disable=None) as progress:
        for clip in progress:
            try:
                files += _stored(clip, most, cache)
            except StreamError as error:
                tqdm.write(f"skipped: {error}", file=sys.stderr)
    return files


def spread(files: Sequence[ViewFile], total: int) -> Floats:
    """About `total` views from all files alike, or all there are: [n, 96, 96, 3] float32."""
    each = max(1, -(-total // max(1, len(files))))
    parts = []
    for stored in files:
        numbers = np.linspace(0, stored.count - 1, min(each, stored.count)).round()
        parts.append(stored.read(numbers.astype(np.int64)))
    if not parts:
        return np.zeros((0, VIEW_SIDE, VIEW_SIDE, 3), np.float32)
    together = np.concatenate(parts)
    return together[np.linspace(0, len(together) - 1, min(total, len(together))).astype(np.int64)]


def _stored(clip: Clip, most: int, cache: Path) -> list[ViewFile]:
    facts = [clip_key(clip), most, sorted((e.label, e.start_s, e.end_s) for e in clip.events)]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]
    folder = cache / "files"
    index = folder / f"{key}.json"
    if not index.is_file():
        entries = []
        for number, (labels, views) in enumerate(_kept(clip, most)):
            file = folder / f"{key}-{number}.npy"
            with written_whole(file) as unfinished:
                np.save(unfinished, views)
            entries.append({"labels": sorted(labels), "file": file.name, "count": len(views)})
        with written_whole(index) as unfinished:
            unfinished.write_text(json.dumps(entries), encoding="utf-8")
    known: list[dict[str, Any]] = json.loads(index.read_text(encoding="utf-8"))
    return [
        ViewFile(clip, clip.labels if not clip.untrimmed else frozenset(entry["labels"]),
              folder / entry["file"], entry["count"])
        for entry in known
    ]  # fmt: skip


def _kept(clip: Clip, most: int) -> Iterator[tuple[frozenset[str], NDArray[np.int8]]]:
    """Every meaning of the clip with at most `most` of its moving views, evenly spaced."""
    thinning: dict[frozenset[str], Thinning] = {}
    for view in clip_views(clip, whole=True):
        if view.moving:
            labels = labels_at(clip, (view.utc - EPOCH).total_seconds())
            thinning.setdefault(labels, Thinning(most)).add(view.pixels)
    for labels, own in thinning.items():
        yield labels, np.stack(own.views())


class Thinning:
    """Evenly spaced views of a recording of unknown length, never more than twice `most`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._every = 1
        self._seen = 0
        self.kept: list[NDArray[np.int8]] = []

    def add(self, pixels: Floats) -> None:
        """The next view of the recording."""
        if self._seen % self._every == 0:
            self.kept.append(np.round(pixels * STEPS).astype(np.int8))
            if len(self.kept) >= 2 * self._most:
                self.kept = self.kept[::2]
                self._every *= 2
        self._seen += 1

    def views(self) -> list[NDArray[np.int8]]:
        """At most `most` of those so far, in order."""
        last = len(self.kept) - 1
        chosen = np.linspace(0, last, min(self._most, last + 1)).round()
        return [self.kept[int(number)] for number in chosen]
