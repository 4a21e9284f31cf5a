"""The public data sets: what they hold, how to get them, and manifests of what was downloaded.

Nothing is fetched here: every set has conditions that a person must read. Addresses, sizes and
conditions are what their own pages say; what could not be confirmed there is called so. A
`scene` is as wide as needed that no source recording can stand on both sides of a split.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import av

from config.errors import ConfigError
from detector.footage.recording import open_recording
from models.data.clips import NORMAL, VIDEO_SUFFIXES

VIOLENCE = "violence"
UNCONFIRMED = "not confirmed"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a manifest; `span` in seconds where it is of an untrimmed recording."""

    path: Path
    label: str
    scene: str
    span: tuple[float, float] | None = None


Rows = tuple[list[Row], list[str]]
"""What a folder holds, and what its user should know."""


@dataclass(frozen=True, slots=True)
class PublicSet:
    """One set. `name` is what the command line and the manifest's `dataset` call it.

    `layout`: what is expected in its folder, in words; `rows`: reads such a folder.
    """

    name: str
    title: str
    holds: str
    size: str
    conditions: str
    get: str
    layout: str
    scenes: str
    rows: Callable[[Path], Rows]


def write_manifest(known: PublicSet, folder: Path, out: Path | None = None) -> tuple[Path, Rows]:
    """Write the manifest of `folder`, by default into it; its path, rows and warnings.

    Raises ConfigError where nothing of the set is found in the folder, or where the manifest
    is there already (it may have been corrected by hand).
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; unpack {known.title} and name its folder")
    manifest = out or folder / "manifest.csv"
    if manifest.exists():
        raise ConfigError(
            f"{manifest}: is there already; move it away, or name another file with --out"
        )
    rows, warnings = known.rows(folder)
    if not rows:
        raise ConfigError(f"{folder}: holds nothing of {known.title}; expected {known.layout}")
    spans = any(row.span for row in rows)
    try:
        with manifest.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            columns = ("path", "label", "scene", "dataset")
            writer.writerow((*columns, "start_s", "end_s") if spans else columns)
            for row in rows:
                path = Path(os.path.relpath(row.path, manifest.parent)).as_posix()
                times = row.span or ("", "")
                cells = (path, row.label, row.scene, known.name)
                writer.writerow((*cells, *times) if spans else cells)
    except OSError as error:
        raise ConfigError(f"{manifest}: cannot be written ({error.strerror})") from error
    return manifest, (rows, warnings)


def _by_folder(
    labels: Mapping[str, str], scene: Callable[[Path], str], *notes: str
) -> Callable[[Path], Rows]:
    """A reader of sets whose folders are named after their classes.

    `labels`: by the folder's name in small letters and digits only, the nearest one counts;
    `scene`: from a video's path. A video found twice with the same class, name and
    size (RLVS' archive holds itself) is taken once.
    """

    def rows(folder: Path) -> Rows:
        found: dict[tuple[int | str, ...], Row] = {}
        passed: Counter[str] = Counter()
        for path in _videos(folder):
            for depth, parent in enumerate(path.relative_to(folder).parts[-2::-1]):
                if label := labels.get(_plain(parent)):
                    inside: tuple[int | str, ...] = (
                        path.stat().st_size,
                        _plain(parent),
                        *path.parts[-1 - depth :],
                    )
                    if inside in found:
                        passed["are there twice and were taken once"] += 1
                    else:
                        found[inside] = Row(path, label, scene(path))
                    break
            else:
                passed["lie in no folder named after a class and were left out"] += 1
        warnings = [f"{count} video(s) {what}" for what, count in passed.items()]
        return list(found.values()), [*notes, *warnings] if found else warnings

    return rows


def _videos(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.is_file():
            yield path


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _own_scene(prefix: str) -> Callable[[Path], str]:
    return lambda path: f"{prefix}_{path.stem.lower()}"


def _rwf_scene(path: Path) -> str:
    """`0Ow4cotKOuw_1.avi` is the second clip of the video 0Ow4cotKOuw, fight or not."""
    return f"rwf_{re.sub(r'_[0-9]+$', '', path.stem)}"


def _vioperu_scene(path: Path) -> str:
    place = re.search(r"(and|sanj|tala)", path.stem.lower())
    return f"vioperu_{place[1] if place else path.stem.lower()}"


def _sphar_scene(path: Path) -> str:
    source = path.stem.split("_")[0].lower()
    if source == "uccrime":
        return _ucf_scene(path.stem)
    return f"sphar_{path.stem.lower() if source == 'livevid' else source}"


UCF_NAME = re.compile(r"(?P<kind>Normal_Videos|[A-Za-z]+)_?(?P<number>\d+)_x264", re.IGNORECASE)

UCF_LABELS = {
    "abuse": VIOLENCE,
    "arrest": "arrest",
    "arson": "arson",
    "assault": VIOLENCE,
    "burglary": "theft",
    "explosion": "explosion",
    "fighting": VIOLENCE,
    "normalvideos": NORMAL,
    "roadaccidents": "accident",
    "robbery": "robbery",
    "shooting": "shooting",
    "shoplifting": "theft",
    "stealing": "theft",
    "vandalism": "vandalism",
}


def _ucf_scene(stem: str) -> str:
    """The same in SPHAR, which took over some of these videos."""
    named = UCF_NAME.search(stem)
    return f"ucf_{_plain(named['kind'])}{named['number']}" if named else f"ucf_{stem.lower()}"


def _ucf_rows(folder: Path) -> Rows:
    spans = _ucf_spans(folder)
    found: dict[str, list[Row]] = {}
    untimed = unread = 0
    for path in _videos(folder):
        named = UCF_NAME.fullmatch(path.stem)
        label = UCF_LABELS.get(_plain(named["kind"])) if named else None
        scene = _ucf_scene(path.stem)
        if label is None or scene in found:  # 50 of the 1,950 files are there twice
            continue
        if label == NORMAL:
            found[scene] = [Row(path, label, scene)]
        elif frames := spans.get(path.stem.lower()):
            rate = _frame_rate(path)
            unread += rate is None
            if rate:
                found[scene] = [
                    Row(path, label, scene, (round(first / rate, 2), round(last / rate, 2)))
                    for first, last in frames
                ]
        else:
            untimed += 1
    warnings = []
    if not spans:
        warnings.append(
            "no Temporal_Anomaly_Annotation….txt lies in the folder: without it nobody knows "
            "when in its video a crime happens; it comes with the set"
        )
    if untimed:
        warnings.append(
            f"{untimed} video(s) of crimes were left out: the set says what happens in them, "
            "but not when, and most of each shows nothing of it"
        )
    if unread:
        warnings.append(f"{unread} video(s) cannot be read and were left out")
    return [row for rows in found.values() for row in rows], warnings


def _ucf_spans(folder: Path) -> dict[str, list[tuple[int, int]]]:
    """First and last frames by video, of lines `Abuse028_x264.mp4  Abuse  165  240  -1  -1`."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for path in sorted(folder.rglob("Temporal_Anomaly_Annotation*.txt")):
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").splitlines(), 1
        ):
            words = line.split()
            if not words:
                continue
            try:
                frames = [int(word) for word in words[2:6]]
            except ValueError:
                raise ConfigError(
                    f"{path}, line {number}: expected a video, what happens, and two pairs of "
                    "frame numbers"
                ) from None
            pairs = zip(frames[::2], frames[1::2], strict=False)
            spans[Path(words[0]).stem.lower()] = [(a, b) for a, b in pairs if 0 <= a < b]
    return spans


def _frame_rate(path: Path) -> float | None:
    try:
        with open_recording(path) as container:
            rates = [stream.average_rate for stream in container.streams.video]
    except (av.FFmpegError, OSError):
        return None
    return float(rates[0]) if rates and rates[0] else None


SETS = {
    known.name: known
    for known in (
        PublicSet(
            name="rlvs",
            title="Real Life Violence Situations (Soliman et al. 2019)",
            holds="street fights, and everyday doings and sport; much of it filmed by hand",
            size="1,000 + 1,000 clips",
            conditions=f"licence {UNCONFIRMED}; from public video sites",
            get="https://www.kaggle.com/datasets/mohamedmustafa/"
            "real-life-violence-situations-dataset (needs an account)",
            layout="folders Violence (V_1.mp4, …) and NonViolence (NV_1.mp4, …), at any depth",
            scenes="unknown: each clip its own",
            rows=_by_folder(
                {"violence": VIOLENCE, "nonviolence": NORMAL},
                _own_scene("rlvs"),
                "the set does not say which clips are of one video: each is its own scene here, "
                "so a split by scene still leaks; `jikimi data check` finds clips of one place",
            ),
        ),
        PublicSet(
            name="rwf2000",
            title="RWF-2000 (Cheng, Cai, Li 2020)",
            holds="fights and normal days of surveillance cameras, 5 s at 30 pictures a second",
            size="2,000 clips, half of them fights",
            conditions="no commercial use, change or redistribution without approval of the SMIIP "
            "Lab (Duke Kunshan University); nothing that harms mental health or privacy",
            get="https://github.com/mchengny/RWF2000-Video-Database-for-Violence-Detection – the "
            "videos were taken down for privacy; ask the authors (they had an agreement sheet; "
            f"its address is {UNCONFIRMED})",
            layout="folders Fight and NonFight, commonly within train and val",
            scenes="the video a clip was cut from: its name without the last _0, _1, …",
            rows=_by_folder(
                {"fight": VIOLENCE, "nonfight": NORMAL},
                _rwf_scene,
                "one camera may be in several videos; its own train and val are not kept apart",
            ),
        ),
        PublicSet(
            name="ucf-crime",
            title="UCF-Crime (Sultani, Chen, Shah 2018)",
            holds="untrimmed surveillance footage: 13 kinds of crime and accident, normal days",
            size="1,900 videos, 128 hours",
            conditions=f"licence {UNCONFIRMED} (others who pass it on call it research-only)",
            get="https://www.crcv.ucf.edu/projects/real-world/",
            layout="videos named like Fighting003_x264.mp4 and Normal_Videos_006_x264.mp4, at any "
            "depth, and Temporal_Anomaly_Annotation_for_Testing_Videos.txt",
            scenes="the video",
            rows=_ucf_rows,
        ),
        PublicSet(
            name="sphar",
            title="SPHAR (Melde 2020)",
            holds="14 actions seen from above, gathered from 11 sets, UCF-Crime among them; many "
            "acted, some from drones",
            size="7,759 clips, 6.2 GB",
            conditions="each source's own, from public to research-only and non-commercial; a "
            "table in its README lists them, and file names begin with the source",
            get="https://github.com/AlexanderMelde/SPHAR-Dataset/releases",
            layout="folders named after the action (hitting, kicking, falling, …), as in videos/",
            scenes="the video for uccrime and livevid; for the others the whole source, because "
            "their clips share cameras, places and actors",
            rows=_by_folder(
                {
                    "hitting": VIOLENCE,
                    "kicking": VIOLENCE,
                    "murdering": VIOLENCE,
                    "falling": "fall",
                    "stealing": "theft",
                    "vandalizing": "vandalism",
                    "panicking": "panic",
                    "carcrash": "accident",
                    "igniting": "arson",
                    "luggage": NORMAL,
                    "neutral": NORMAL,
                    "running": NORMAL,
                    "sitting": NORMAL,
                    "walking": NORMAL,
                },
                _sphar_scene,
                "its UCF-Crime videos are whole: their label holds somewhere in them only",
            ),
        ),
        PublicSet(
            name="airtlab",
            title="AIRTLab (Bianculli et al. 2020)",
            holds="brawls acted in one room, and quick harmless doings (hugs, claps, cheers), "
            "each from two cameras; 1920×1080, 30 pictures a second, 2–14 s",
            size="350 clips, 230 of them violent",
            conditions="free for research and education; cite the paper",
            get="https://github.com/airtlab/A-Dataset-for-Automatic-Violence-Detection-in-Videos",
            layout="folders violent and non-violent, with cam1 and cam2 in each",
            scenes="one: both cameras saw every act, in one room, by the same people",
            rows=_by_folder(
                {"violent": VIOLENCE, "nonviolent": NORMAL},
                lambda _: "airtlab_room",
                "all of it is one scene: learn from it or test on it, never both",
            ),
        ),
        PublicSet(
            name="vioperu",
            title="VioPeru (Huillcen Baca et al. 2024, doi.org/10.3390/s24020668)",
            holds="municipal CCTV in Peru, 5 s: day, night, fog, crowds",
            size="about 280 clips",
            conditions="none stated; identifiable people",
            get="https://github.com/hhuillcen/VioPeru",
            layout="folders Fight and NonFight within train and val, and "
            "false_positives_validation (f100and.avi, nf2tala.avi, val_nfsanj01.avi, …)",
            scenes="the place that the letters in the name seem to mean (and, sanj, tala)",
            rows=_by_folder(
                {"fight": VIOLENCE, "nonfight": NORMAL, "falsepositivesvalidation": NORMAL},
                _vioperu_scene,
                "names tell the place, not the camera: three scenes only; give clips of one camera "
                "a scene by hand where you need finer folds, and run `jikimi data check`",
            ),
        ),
        PublicSet(
            name="surv-fight",
            title="Surveillance Camera Fight (Aktı, Tataroğlu, Ekenel 2019)",
            holds="fights and normal days of security cameras, 2 s, from public video sites",
            size="150 + 150 clips",
            conditions="MIT licence on the repository, which does not clear the people's rights",
            get="https://github.com/seymanurakti/fight-detection-surv-dataset",
            layout="folders fight (fi001.mp4, …) and noFight (nofi001.mp4, …)",
            scenes="unknown: each clip its own",
            rows=_by_folder(
                {"fight": VIOLENCE, "nofight": NORMAL},
                _own_scene("surv"),
                "names do not tell the source, and neighbours are often of one video (the 232 "
                "clips we sorted are of 39): a split by these scenes leaks; join those that "
                "`jikimi data check` finds",
            ),
        ),
    )
}
