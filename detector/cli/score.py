"""`jikimi score`: the daemon's own pipeline over video files."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.errors import StreamError, UsageError

if TYPE_CHECKING:  # they load LiteRT
    from detector.inference.second_look.weights import SecondLook
    from detector.inference.weights import Classifier


def add_commands(commands: Any) -> None:
    """Add `score`."""
    score = commands.add_parser("score", help="score video files as the daemon would")
    score.add_argument(
        "videos", nargs="+", type=Path, metavar="VIDEO", help="files to score, one after another"
    )
    score.add_argument("--json", action="store_true", help="one object a line and video")
    score.add_argument(
        "--annotate", type=Path, metavar="OUT.mp4", help="write the video with score and crop drawn"
    )
    score.add_argument(
        "--plot", type=Path, metavar="OUT.png", help="write a picture of the scores over time"
    )
    score.add_argument(
        "--weights", type=Path, metavar="SIDECAR.json", help="instead of the shipped ones"
    )
    score.set_defaults(run=_score)


def _score(chosen: argparse.Namespace) -> int:
    # These load OpenCV, libav and LiteRT, which `jikimi --help` should not wait for.
    from detector.footage import drawing  # noqa: PLC0415
    from detector.footage.recording import recorded_seconds  # noqa: PLC0415
    from detector.footage.scoring import FileScore, score_file  # noqa: PLC0415
    from detector.inference.second_look.weights import load_second_look  # noqa: PLC0415
    from detector.inference.weights import load_classifier  # noqa: PLC0415

    if chosen.annotate and len(chosen.videos) > 1:
        raise UsageError("--annotate writes one file: give it one video")
    if chosen.plot:
        drawing.need_matplotlib()
    for out in (chosen.annotate, chosen.plot):
        if out:
            drawing.need_folder_of(out)
    classifier = load_classifier(chosen.weights)
    second_look = load_second_look(chosen.weights)
    scores: list[FileScore] = []
    failed: StreamError | None = None
    for video in chosen.videos:
        try:
            with seconds_bar(video.name, recorded_seconds(video)) as bar:
                score = score_file(
                    video,
                    classifier,
                    progress=lambda at_s: _show(bar, at_s),
                    second_look=second_look,
                )
        except StreamError as error:
            # One bad file must not cost the results of the others; the exit code tells.
            failed = error
            print(f"jikimi: {error}", file=sys.stderr)
            continue
        scores.append(score)
        if score.unseen:
            failed = StreamError(f"{video}: nothing was looked at: {score.unseen}")
            print(f"jikimi: {failed}", file=sys.stderr)
        _tell(score, as_json=chosen.json)
    if scores and chosen.annotate:
        with seconds_bar(chosen.annotate.name, scores[0].duration_s) as bar:
            drawing.annotate(
                chosen.videos[0], scores[0], chosen.annotate, lambda at_s: _show(bar, at_s)
            )
    if scores and chosen.plot:
        drawing.plot(scores, _thresholds(classifier, second_look), chosen.plot)
    return failed.exit_code if failed else 0


def _thresholds(classifier: Classifier, second_look: SecondLook | None) -> dict[str, float]:
    """By label, what opens an incident."""
    thresholds = {label: rule.open_threshold for label, rule in classifier.rules().items()}
    if second_look:
        thresholds[second_look.label] = second_look.rules.incident.open_threshold
    return thresholds


def seconds_bar(name: str, length_s: float) -> Any:
    """A progress bar that tells `112 of 1091 s`; of unknown length (0) `112 s`."""
    from tqdm import tqdm  # noqa: PLC0415 - `jikimi status` need not wait for it

    whole = round(length_s)
    told = f"{{n:.0f}} of {whole} s" if whole else "{n:.0f} s"
    return tqdm(
        total=whole or None,
        desc=name,
        bar_format=f"{{desc}}: {told} |{{bar}}| {{remaining}} left"
        if whole
        else f"{{desc}}: {told}",
        leave=False,
        disable=None,  # no bar in a file or a journal
    )


def _show(bar: Any, at_s: float) -> None:
    bar.update(at_s - bar.n)


def _tell(score: Any, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(score.as_json(), ensure_ascii=False))
    elif not score.unseen:  # of which all has been told
        print(_line(score))


def _line(score: Any) -> str:
    peak = max((moment.smoothed for moment in score.moments), default=0.0)
    found = ", ".join(f"{e.label} {e.start_s:.1f}–{e.end_s:.1f} s" for e in score.incidents)
    return f"{score.video}: {score.duration_s:.1f} s, peak {peak:.2f}, {found or 'no incident'}"
