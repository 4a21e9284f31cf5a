"""`jikimi evaluate`: how good a classifier is on a manifest of clips."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.cli.needs import need_folder


def add_commands(commands: Any) -> None:
    """Add `evaluate`."""
    evaluate = commands.add_parser(
        "evaluate",
        help="measure the classifier on labelled clips",
        description="Measures the classifier on labelled clips and writes DIR/metrics.json, "
        "DIR/report.html and its pictures.",
    )
    evaluate.add_argument(
        "source",
        type=Path,
        metavar="MANIFEST.csv|FOLDER",
        help="path,label,scene[,dataset,start_s,end_s], or a folder a class",
    )
    evaluate.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for the report; made if need be",
    )
    weights = evaluate.add_mutually_exclusive_group()
    weights.add_argument(
        "--weights", type=Path, metavar="SIDECAR.json", help="instead of the shipped ones"
    )
    weights.add_argument(
        "--fold-models",
        type=Path,
        metavar="RUN",
        help="each clip by the model of this training run that has not seen its scene",
    )
    evaluate.add_argument(
        "--folds",
        default="",
        metavar="FILE",
        help="path,fold[,sha256] of the clips; shipped: those of the footage that the weights "
        "were made from (folds.csv beside the manifest)",
    )
    evaluate.add_argument(
        "--prototype",
        type=Path,
        metavar="FILE.json",
        help="figures of the prototype's method, shown beside",
    )
    evaluate.set_defaults(run=_evaluate)


def _evaluate(chosen: argparse.Namespace) -> int:
    # These load OpenCV, libav and LiteRT, which `jikimi --help` should not wait for.
    from models.data.clips import read_clips  # noqa: PLC0415
    from models.data.folds import folds_file  # noqa: PLC0415
    from models.evaluation.calibrating import judge_by_scene  # noqa: PLC0415
    from models.evaluation.evaluation import assess  # noqa: PLC0415
    from models.evaluation.learnt import learnt_clips  # noqa: PLC0415
    from models.evaluation.scoring import across_classifiers, fold_classifiers, weights_classifier  # noqa: PLC0415
    from models.evaluation.second_look import fold_second_looks, given_second_look  # noqa: PLC0415
    from models.report.plots import can_draw  # noqa: PLC0415
    from models.report.report import (  # noqa: PLC0415
        NO_PICTURES,
        read_prototype,
        write_report,
    )
    from models.report.second_look import second_look_lines  # noqa: PLC0415
    from models.report.wording import learnt_warning, summary  # noqa: PLC0415

    clips = read_clips(chosen.source, folds_file(chosen.folds))
    need_folder(chosen.out)
    prototype = read_prototype(chosen.prototype) if chosen.prototype else None
    if chosen.fold_models:
        run: Path = chosen.fold_models
        classifier_for, across = fold_classifiers(run), across_classifiers(run)
        look_for = fold_second_looks(run)
    else:
        classifier_for, across = weights_classifier(chosen.weights), None
        look_for = given_second_look(chosen.weights)
    learnt = learnt_clips(clips, classifier_for)
    if warning := learnt_warning(learnt, len(clips)):
        print(f"jikimi: warning: {warning}", file=sys.stderr)
    if not can_draw():
        print(f"jikimi: note: {NO_PICTURES}", file=sys.stderr)
    found = assess(clips, classifier_for, across, judge_by_scene, look_for)
    evaluation = replace(found, prototype=prototype, learnt_clips=learnt)
    print(summary(evaluation))
    if evaluation.second_look:
        print("\n".join(second_look_lines(evaluation.second_look)))
    print(write_report(evaluation, chosen.out))
    return 0
