"""`jikimi train`: weights of one's own, from clips."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from config.errors import UsageError
from models.cli.needs import need_folder, need_packages

LEARNING = (
    ("epochs", int, 30, "at most"),
    ("batch", int, 32, "views a step"),
    ("rate", float, 1e-4, "learning rate at the start"),
    ("early_stopping", int, 5, "epochs without a better validation loss until the end"),
    ("plateau", int, 2, "epochs without a better validation loss until the rate drops"),
    ("plateau_factor", float, 0.5, "what the rate is then multiplied by"),
    ("views_per_clip", int, 40, "kept on disk, at most"),
    ("drawn_per_clip", int, 8, "in an epoch, on average"),
)


def add_commands(commands: Any) -> None:
    """Add `train`."""
    train = commands.add_parser(
        "train",
        help="train a classifier on clips of your own",
        description="Train on SOURCE (a manifest.csv, a folder with one, or a folder a class) and "
        "write weights and what they were made with into the folder RUN.",
    )
    train.add_argument(
        "source",
        type=Path,
        metavar="SOURCE",
        help="a manifest.csv (path,label,scene), a folder with one, or a folder a class",
    )
    train.add_argument(
        "--out", type=Path, required=True, metavar="RUN", help="folder for the weights"
    )
    train.add_argument("--sets", default="", metavar="A,B", help="only these data sets (all)")
    train.add_argument(
        "--labels", default="", metavar="A,B", help="only these labels, others are normal (all)"
    )
    train.add_argument(
        "--train",
        default="head",
        metavar="LAYER",
        help="head: the network stays as it is; block_11: its layers from there on learn too",
    )
    train.add_argument(
        "--pretrained",
        default="imagenet",
        metavar="WEIGHTS",
        help="imagenet (Keras downloads it once), a MobileNetV2 weights file (.h5), or of "
        "weights that exist: shipped, which needs neither internet nor TensorFlow, or a sidecar "
        "(imagenet)",
    )
    train.add_argument(
        "--input",
        choices=("motion", "rgb-frame"),
        default="motion",
        help="rgb-frame: measure the prototype's method instead, without weights (motion)",
    )
    train.add_argument(
        "--copies", type=int, default=0, metavar="K", help="augmented copies of each clip (0)"
    )
    train.add_argument("--strength", type=float, default=0.003, help="of the head's fit (0.003)")
    train.add_argument(
        "--scene-balance",
        type=float,
        metavar="POWER",
        help="0: clips weigh the same, 1: scenes do (0; 0.25 where layers learn)",
    )
    train.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of everything that is drawn (0)"
    )
    train.add_argument(
        "--start-from",
        metavar="WEIGHTS",
        help="shipped, or a sidecar: adapt these weights to a site's own clips",
    )
    train.add_argument(
        "--reference",
        type=Path,
        metavar="SOURCE",
        help="with --start-from: clips on which nothing should be lost",
    )
    train.add_argument(
        "--pull",
        type=float,
        default=300.0,
        help="with --start-from: the more, the less a clip changes (300)",
    )
    train.add_argument(
        "--cross-validate",
        action="store_true",
        help="also models without each fold and without each set, for `jikimi evaluate`",
    )
    train.add_argument(
        "--folds",
        default="",
        metavar="FILE",
        help="path,fold[,sha256] of the clips; shipped: those of the footage that the weights "
        "were made from (folds.csv beside the manifest)",
    )
    train.add_argument(
        "--second-look",
        type=Path,
        metavar="VIDEO.json",
        help="with --cross-validate: also a second look, by the video network of this sidecar; "
        "footage that the network has seen is left out of it",
    )
    learning = train.add_argument_group("where layers learn")
    for name, kind, default, meaning in LEARNING:
        learning.add_argument(
            f"--{name.replace('_', '-')}", type=kind, default=default, help=f"{meaning} ({default})"
        )
    train.set_defaults(run=_train)


def _train(chosen: argparse.Namespace) -> int:
    if chosen.reference and not chosen.start_from:
        raise UsageError("--reference goes with --start-from: name the weights to start from")
    if chosen.start_from and (chosen.cross_validate or chosen.train != "head"):
        raise UsageError("--start-from fits the head alone, and measures it without being asked")
    if chosen.folds and (chosen.start_from or chosen.input == "rgb-frame"):
        raise UsageError("--folds goes with training of its own, not with --start-from or --input")
    if chosen.second_look and not chosen.cross_validate:
        raise UsageError(
            "--second-look goes with --cross-validate: it learns from what fold models say of "
            "clips that they have not seen"
        )
    from models.data.embeddings import cache_dir  # noqa: PLC0415
    from models.data.folds import folds_file  # noqa: PLC0415
    from models.training.adapting import lines  # noqa: PLC0415 - loads OpenCV and LiteRT
    from models.training.out_of_fold import sentences  # noqa: PLC0415
    from models.training.recipe import Learning, Recipe  # noqa: PLC0415
    from models.training.training import compare, train, train_further  # noqa: PLC0415
    from models.weights.video_sidecar import read_video_sidecar  # noqa: PLC0415

    video = read_video_sidecar(chosen.second_look) if chosen.second_look else None
    _check_needs(chosen)
    learning = Learning(**{name: getattr(chosen, name) for name, *_ in LEARNING})
    recipe = Recipe(
        train=chosen.train,
        pretrained=chosen.pretrained,
        sets=_names(chosen.sets),
        labels=_names(chosen.labels),
        copies=chosen.copies,
        strength=chosen.strength,
        pull=chosen.pull,
        seed=chosen.seed,
        learning=learning,
    )
    if chosen.scene_balance is not None:
        learning = replace(learning, scene_balance=chosen.scene_balance)
        recipe = replace(recipe, scene_balance=chosen.scene_balance, learning=learning)
    if chosen.input == "rgb-frame":
        print("\n".join(compare(chosen.source, chosen.out, recipe, cache_dir())))
        print(chosen.out / "prototype.json")
        return 0
    if chosen.start_from:
        sidecar = train_further(
            chosen.source, chosen.out, recipe, cache_dir(), chosen.start_from, chosen.reference
        )
        print("\n".join(lines(sidecar)))
        print(sidecar)
        return 0
    sidecar = train(
        chosen.source,
        chosen.out,
        recipe,
        cache_dir(),
        cross_validate=chosen.cross_validate,
        second_look=video,
        folds=folds_file(chosen.folds),
    )
    print("\n".join(sentences(sidecar)))
    print(sidecar)
    return 0


def _check_needs(chosen: argparse.Namespace) -> None:
    """Before any clip is decoded: packages, the pretrained weights' file, a folder to write to."""
    from models.data.clips import read_clips  # noqa: PLC0415
    from models.data.folds import folds_file  # noqa: PLC0415
    from models.weights.architecture import check_pretrained  # noqa: PLC0415
    from models.weights.network import sidecar_of  # noqa: PLC0415

    read_clips(chosen.source, folds_file(chosen.folds))
    if chosen.reference:
        read_clips(chosen.reference)
    if chosen.input != "rgb-frame":
        need_packages("training", "sklearn")
    own_network = not chosen.start_from and sidecar_of(chosen.pretrained) is None
    if chosen.input == "rgb-frame":
        need_packages("--input rgb-frame", "tensorflow")
    if chosen.train != "head":
        need_packages(f"--train {chosen.train}", "tensorflow")
    if own_network:
        need_packages(f"--pretrained {chosen.pretrained}", "tensorflow")
    if own_network:
        check_pretrained(chosen.pretrained)
    need_folder(chosen.out)


def _names(given: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in given.split(",") if name.strip())
