"""The clips that training and evaluation stand on: a manifest, or a folder a class.

A manifest is a CSV file `path,label,scene` with, where there are any, `dataset` and
`start_s,end_s`; paths are relative to it. A row with a span makes of its file an untrimmed
recording: what the label names happens within the span, and nothing of note outside all
spans. Labels are free; `normal` is what nobody is alarmed of. Decodes nothing.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from config.errors import ConfigError
from models.data.digests import clip_digests

NORMAL = "normal"

VIDEO_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm"}
)

REQUIRED = ("path", "label", "scene")


@dataclass(frozen=True, slots=True)
class Event:
    """What happens in an untrimmed recording, and from when to when (seconds of the file)."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Clip:
    """One video file.

    `name`: its path as the manifest writes it; `path`: where it lies.
    `label`: what it shows from beginning to end; `normal` for an untrimmed recording, whose
    `events` say what happens when.
    `scene`: the camera or source recording: never on both sides of a split.
    `fold`: the fold that is tested on it; None for clips that only ever train.
    """

    name: str
    path: Path
    label: str
    scene: str
    dataset: str
    fold: int | None = None
    events: tuple[Event, ...] = ()

    @property
    def untrimmed(self) -> bool:
        """Whether its events are spans of it."""
        return bool(self.events)

    @property
    def labels(self) -> frozenset[str]:
        """Everything that happens in it, `normal` left out."""
        return frozenset({self.label, *(event.label for event in self.events)} - {NORMAL})


def labels_at(clip: Clip, at_s: float) -> frozenset[str]:
    """What happens in the clip at that second; nothing of note: no label."""
    if not clip.untrimmed:
        return clip.labels
    return frozenset(e.label for e in clip.events if e.start_s <= at_s <= e.end_s)


def read_clips(source: Path, folds: Path | None = None) -> list[Clip]:
    """The clips of a manifest, of a folder that holds a `manifest.csv`, or of a folder a class.

    `folds` (`path,fold`) gives the folds; none named: a `folds.csv` beside the manifest. Raises
    ConfigError, naming file and line, where one of them cannot be understood or tells two things
    of one clip, and where a scene stands on both sides of a split.
    """
    clips = read_unchecked(source, folds)
    _refuse_split(clips, folds or _manifest_of(source).parent / "folds.csv")
    return clips


def read_unchecked(source: Path, folds: Path | None = None) -> list[Clip]:
    """As `read_clips`, but a scene may stand on both sides of a split: for the leak check.

    `folds` is read instead of the `folds.csv` beside the manifest.
    """
    manifest = _manifest_of(source)
    if source.is_dir() and not manifest.is_file():
        clips = _folder_a_class(source)
    else:
        clips = _manifest_clips(manifest)
        beside = manifest.parent / "folds.csv"
        folds = folds or (beside if beside.is_file() else None)
    return _given_folds(clips, folds) if folds else clips


def split_scenes(clips: Iterable[Clip]) -> dict[str, list[Clip]]:
    """The scenes on both sides of a split: of each, the first clip of every fold it stands in."""
    seen: dict[str, dict[int | None, Clip]] = {}
    for clip in clips:
        seen.setdefault(clip.scene, {}).setdefault(clip.fold, clip)
    return {scene: list(sides.values()) for scene, sides in seen.items() if len(sides) > 1}


def _refuse_split(clips: Iterable[Clip], folds: Path) -> None:
    for scene, sides in split_scenes(clips).items():
        raise ConfigError(
            f"{folds}: scene {scene} of {sides[-1].name} stands on both sides of a split; give "
            "all clips of a scene the same fold (`jikimi data check` names every such scene)"
        )


def _manifest_of(source: Path) -> Path:
    return source / "manifest.csv" if source.is_dir() else source


def _manifest_clips(manifest: Path) -> list[Clip]:
    """The clips of one manifest, without folds."""
    clips: dict[str, Clip] = {}
    for line, row in _rows(manifest, REQUIRED):
        where = f"{manifest}, line {line}"
        clip = Clip(
            name=row["path"],
            path=manifest.parent / row["path"],
            label=row["label"],
            scene=row["scene"],
            dataset=row.get("dataset") or manifest.absolute().parent.name,
        )
        if span := _span(row, where):
            event = Event(clip.label, *span)
            events = () if clip.label == NORMAL else (event,)
            clip = replace(clip, label=NORMAL, events=events)
        known = clips.setdefault(clip.name, clip)
        if known is not clip:
            clips[clip.name] = _joined(known, clip, bool(span), where)
    if not clips:
        raise ConfigError(f"{manifest}: names no clip")
    return list(clips.values())


def _given_folds(clips: Iterable[Clip], folds: Path) -> list[Clip]:
    """The clips with their folds: by name, and by content where the file tells it (`sha256`).

    Where the two differ, content counts: names of other data may be the same by chance. A clip of
    a known name and unknown content keeps that name's fold: it may have been encoded again.
    """
    by_name: dict[str, int] = {}
    by_content: dict[str, dict[str, int]] = {}
    for line, row in _rows(folds, ("path", "fold")):
        try:
            by_name[row["path"]] = int(row["fold"])
        except ValueError:
            raise ConfigError(f"{folds}, line {line}: {row['fold']!r} is no fold number") from None
        if digest := row.get("sha256"):
            by_content.setdefault(digest, {})[row["path"]] = by_name[row["path"]]
    clips = list(clips)
    digests = clip_digests(clips) if by_content else {}
    found = []
    for clip in clips:
        alike = by_content.get(digests.get(clip, ""), {})  # a file may stand there twice
        named = clip.name in alike or not alike
        fold = by_name.get(clip.name) if named else next(iter(alike.values()))
        found.append(replace(clip, fold=fold))
    return found


def _folder_a_class(folder: Path) -> list[Clip]:
    """`folder/LABEL/clip.mp4`, or `folder/LABEL/SCENE/clip.mp4`; a loose clip is its own scene."""
    clips = []
    for path in sorted(folder.glob("*/**/*")):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            inside = path.relative_to(folder)
            label, *between = inside.parts[:-1]
            scene = "/".join(between) or inside.stem
            clips.append(Clip(str(inside), path, label, scene, folder.absolute().name))
    if not clips:
        raise ConfigError(
            f"{folder}: holds neither a manifest.csv nor folders of video named after their class"
        )
    return clips


def _joined(known: Clip, clip: Clip, spanned: bool, where: str) -> Clip:
    """One recording of two rows; both must be spans of the same scene."""
    if (
        clip.scene != known.scene
        or not spanned
        or (known.label, known.dataset)
        != (
            NORMAL,
            clip.dataset,
        )
    ):
        raise ConfigError(
            f"{where}: {clip.name} stands here a second time, with other words; a file has one "
            "label and scene, or start_s and end_s on every row"
        )
    return replace(known, events=known.events + clip.events)


def _span(row: Mapping[str, str], where: str) -> tuple[float, float] | None:
    given = [row.get("start_s") or "", row.get("end_s") or ""]
    if not any(given):
        return None
    try:
        start_s, end_s = (float(value) for value in given)
    except ValueError:
        raise ConfigError(
            f"{where}: start_s {given[0]!r} and end_s {given[1]!r} are not both seconds"
        ) from None
    if not 0 <= start_s < end_s < math.inf:
        raise ConfigError(f"{where}: an event must end after it starts ({start_s} to {end_s} s)")
    return start_s, end_s


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Every row with its line number, values stripped; `columns` are there and filled."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            if missing := [name for name in columns if name not in (reader.fieldnames or ())]:
                raise ConfigError(f"{path}: lacks the column {missing[0]} in its first line")
            for row in reader:
                stripped = {key: (value or "").strip() for key, value in row.items() if key}
                if empty := [name for name in columns if not stripped[name]]:
                    raise ConfigError(f"{path}, line {reader.line_num}: no {empty[0]} is given")
                yield reader.line_num, stripped
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: is no CSV file in UTF-8 ({error})") from error
