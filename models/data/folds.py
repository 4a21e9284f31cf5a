"""Deals clips into folds: scenes that show the same place together, every label spread evenly.

A fold holds whole groups of scenes, so what stands in one fold is nowhere else. The deal is the
same for the same clips, whatever their order. Decodes nothing: which scenes belong together is
`models.data.leaks`' business.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from models.data.atomic_file import written_whole
from models.data.clips import NORMAL, Clip
from models.data.digests import clip_digests

SHIPPED = "shipped"
SHIPPED_FOLDS = Path(__file__).parent.parent / "folds.csv"


def deal(clips: Sequence[Clip], together: Iterable[Sequence[str]], folds: int) -> dict[Clip, int]:
    """The fold of each clip.

    `together`: groups of scenes that are one by their footage. The largest groups are dealt
    first, each to the fold that then is least uneven over sets and labels.
    """
    group_of = {scene: min(group) for group in together for scene in group}
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[group_of.get(clip.scene, clip.scene)].append(clip)
    totals = Counter(_kind(clip) for clip in clips)
    held: list[Counter[tuple[str, str]]] = [Counter() for _ in range(folds)]
    dealt: dict[Clip, int] = {}
    for name in sorted(groups, key=lambda name: (-len(groups[name]), name)):
        own = Counter(_kind(clip) for clip in groups[name])

        def unevenness(fold: int, own: Mapping[tuple[str, str], int] = own) -> float:
            return sum(
                ((held[fold][kind] + count) ** 2 - held[fold][kind] ** 2) / totals[kind] ** 2
                for kind, count in own.items()
            )

        fold = min(range(folds), key=lambda fold: (unevenness(fold), held[fold].total(), fold))
        held[fold].update(own)
        dealt.update(dict.fromkeys(groups[name], fold))
    return dealt


def folds_file(named: str) -> Path | None:
    """The file that `--folds` names: the shipped one, or a path; nothing named: None."""
    return SHIPPED_FOLDS if named == SHIPPED else Path(named) if named else None


def write_folds(path: Path, dealt: Mapping[Clip, int]) -> None:
    """Write `path,fold,sha256`, a line a clip: its name, and its file by content."""
    digests = clip_digests(dealt)
    with (
        written_whole(path) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("path", "fold", "sha256"))
        for clip in sorted(dealt, key=lambda clip: clip.name):
            rows.writerow((clip.name, dealt[clip], digests[clip]))


def _kind(clip: Clip) -> tuple[str, str]:
    return clip.dataset, ",".join(sorted(clip.labels)) or NORMAL
