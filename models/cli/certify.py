"""`jikimi certify`: rehearse a certification on annotated videos."""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.errors import ConfigError, StreamError
from models.cli.needs import need_folder

if TYPE_CHECKING:  # they load OpenCV and LiteRT
    from detector.footage.scoring import FileScore
    from models.evaluation.certifying import Verdicts, Window
    from models.report.certificate import Fault

PICTURE_SIDE = 640
"""Pixels of a picture's longer side."""

Video = tuple[Path, "FileScore", "Verdicts"]


def add_commands(commands: Any) -> None:
    """Add `certify`."""
    certify = commands.add_parser(
        "certify",
        help="rehearse a certification on annotated videos",
        description="Plays every video of a folder as a camera would show it, holds the alarms "
        "against what annotators wrote down, and writes DIR/certify.json and DIR/certify.html, "
        "with a picture of each miss and false alarm. A video that is not annotated has no event.",
    )
    certify.add_argument(
        "videos", type=Path, metavar="VIDEO_FOLDER", help="every video in it is played"
    )
    certify.add_argument(
        "annotations",
        type=Path,
        metavar="ANNOTATIONS",
        help="a CSV file (video,start,end,label), an XML file (Filename, Alarm/StartTime, "
        "AlarmDuration, AlarmDescription) or a folder of XML files",
    )
    certify.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the report; made if need be",
    )
    certify.add_argument(
        "--label", default="violence", help="which events and alarms count (default: violence)"
    )
    certify.add_argument(
        "--early", type=_seconds, default=2.0, metavar="SECONDS",
        help="an alarm so long before an event begins counts for it (default: 2)",
    )  # fmt: skip
    certify.add_argument(
        "--within", type=_seconds, metavar="SECONDS",
        help="an alarm counts until so long after an event begins (left out: until it ends)",
    )  # fmt: skip
    certify.add_argument(
        "--weights", type=Path, metavar="SIDECAR.json", help="instead of the shipped ones"
    )
    certify.set_defaults(run=_certify)


def _certify(chosen: argparse.Namespace) -> int:
    # These load OpenCV, libav and LiteRT, which `jikimi --help` should not wait for.
    from tqdm import tqdm  # noqa: PLC0415

    from detector.inference.second_look.weights import load_second_look  # noqa: PLC0415
    from detector.inference.weights import load_classifier  # noqa: PLC0415
    from models.data.annotations import read_annotations  # noqa: PLC0415
    from models.evaluation.certifying import Window, counted  # noqa: PLC0415
    from models.report.certificate import certificate, told  # noqa: PLC0415

    paths = _videos(chosen.videos)
    events = defaultdict(list)
    for one in read_annotations(chosen.annotations):
        if one.video not in paths and Path(one.video).stem not in paths:
            raise ConfigError(f"{chosen.annotations}: {one.video} is not in {chosen.videos}")
        if one.label == chosen.label:
            path = paths.get(one.video) or paths[Path(one.video).stem]
            events[path].append((one.start_s, one.end_s))
    classifier = load_classifier(chosen.weights)
    if chosen.label not in classifier.sidecar.labels:
        known = ", ".join(classifier.sidecar.labels)
        raise ConfigError(f"--label {chosen.label}: the weights know {known}")
    need_folder(chosen.out)
    second_look = load_second_look(chosen.weights)
    window = Window(chosen.early, chosen.within)
    videos: list[Video] = []
    failed: StreamError | None = None
    for path in tqdm(sorted(set(paths.values())), unit="video", leave=False, disable=None):
        try:
            videos.append(_held(path, classifier, second_look, chosen.label, events[path], window))
        except StreamError as error:
            failed = error
            print(f"jikimi: {error}", file=sys.stderr)
    total = counted([verdicts for _, _, verdicts in videos])
    rows = [(path.name, score.duration_s, verdicts) for path, score, verdicts in videos]
    faults = [fault for path, score, verdicts in videos for fault in _faults(path, score, verdicts)]
    page = certificate(chosen.label, window, total, rows, faults)
    figures = {
        "label": chosen.label,
        "window": asdict(window),
        **asdict(total),
        "precision": total.precision,
        "recall": total.recall,
        "f1": total.f1,
        "videos": {name: asdict(verdicts) for name, _, verdicts in rows},
    }
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    for name, content in (("certify.json", text + "\n"), ("certify.html", page)):
        (chosen.out / name).write_text(content, encoding="utf-8")
    print(told(total, chosen.label))
    print(f"written: {chosen.out / 'certify.json'}, {chosen.out / 'certify.html'}")
    return failed.exit_code if failed else 0


def _videos(folder: Path) -> dict[str, Path]:
    """The videos of `folder`, by name and, where that is of one alone, without its ending."""
    from models.data.clips import VIDEO_SUFFIXES  # noqa: PLC0415 - loads libav

    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES]
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be read ({error.strerror})") from error
    if not found:
        raise ConfigError(f"{folder}: holds no video")
    stems = [path.stem for path in found]
    return {path.stem: path for path in found if stems.count(path.stem) == 1} | {
        path.name: path for path in found
    }


def _held(
    path: Path,
    classifier: Any,
    second_look: Any,
    label: str,
    events: Sequence[tuple[float, float]],
    window: Window,
) -> Video:
    from detector.footage.scoring import score_file  # noqa: PLC0415 - loads LiteRT
    from models.evaluation.certifying import judged  # noqa: PLC0415

    score = score_file(path, classifier, second_look=second_look)
    if score.unseen:
        raise StreamError(f"{path}: nothing was looked at: {score.unseen}")
    alarms = [incident.start_s for incident in score.incidents if incident.label == label]
    return path, score, judged(events, alarms, window)


def _faults(path: Path, score: FileScore, verdicts: Verdicts) -> list[Fault]:
    from models.report.certificate import Fault  # noqa: PLC0415 - same

    found = [(start_s + (end_s - start_s) / 2, "missed") for start_s, end_s in verdicts.missed]
    found += [(at_s, "false alarm") for at_s in verdicts.false]
    found += [(at_s, "a second alarm about one event") for at_s in verdicts.repeated]
    pictures = _pictures(path, score, sorted(at_s for at_s, _ in found))
    return [Fault(path.name, what, at_s, pictures.get(at_s)) for at_s, what in sorted(found)]


def _pictures(path: Path, score: FileScore, wanted: Sequence[float]) -> dict[float, bytes]:
    """The first sample at or after each of `wanted`, with the crop that was scored."""
    from detector.footage.recording import recorded_samples  # noqa: PLC0415 - loads libav
    from detector.motion.snapshot import snapshot  # noqa: PLC0415

    boxes = {round(moment.at_s, 3): moment.box for moment in score.moments}
    left, found = list(wanted), {}
    for sample in recorded_samples(path) if left else ():
        while left and sample.at_s >= left[0] and sample.frame is not None:
            box = boxes.get(round(sample.at_s, 3))
            found[left.pop(0)] = snapshot(sample.frame, box, PICTURE_SIDE)
        if not left:
            break
    return found


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("give seconds, 0 or more")
    return value
