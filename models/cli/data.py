"""`jikimi data`: the public sets, manifests of them, and whether a split leaks."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from textwrap import fill
from typing import Any

from config.errors import ConfigError, StreamError, UsageError

SHOWN = 40
"""Near-duplicates listed on the terminal, the closest of those that leak first."""


def add_commands(commands: Any) -> None:
    """Add `data list`, `data manifest` and `data check`."""
    data = commands.add_parser("data", help="footage to learn from: public sets, leak check")
    parts = data.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listed = parts.add_parser("list", help="the public sets and how to get each")
    listed.set_defaults(run=_list)

    manifest = parts.add_parser("manifest", help="write the manifest of a set you downloaded")
    manifest.add_argument("set", metavar="SET", help="its name in `jikimi data list`")
    manifest.add_argument("folder", type=Path, metavar="FOLDER", help="where it was unpacked")
    manifest.add_argument("--out", type=Path, metavar="manifest.csv", help="default: into FOLDER")
    manifest.set_defaults(run=_manifest)

    check = parts.add_parser("check", help="whether figures on a split would mean anything")
    check.add_argument(
        "source",
        type=Path,
        metavar="MANIFEST|FOLDER",
        help="a manifest.csv, a folder with one, or a folder a class",
    )
    check.add_argument(
        "--folds", type=Path, metavar="folds.csv", help="path,fold (default: beside the manifest)"
    )
    check.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found")
    check.set_defaults(run=_check)


def _list(_: argparse.Namespace) -> int:
    from models.data.catalogue import SETS  # noqa: PLC0415 - loads libav

    for known in SETS.values():
        print(f"{known.name}: {known.title}")
        for word in ("holds", "size", "conditions", "get", "layout", "scenes"):
            print(_folded(f"{word}: {getattr(known, word)}"))
        print()
    print("All of them show identifiable people. Read the conditions, and have a legal ground,")
    print(
        "before you train on one. Then: jikimi data manifest SET FOLDER; jikimi data check FOLDER"
    )
    return 0


def _manifest(chosen: argparse.Namespace) -> int:
    from models.data.catalogue import SETS, write_manifest  # noqa: PLC0415 - loads libav

    if chosen.set not in SETS:
        raise UsageError(f"no set is named {chosen.set}; there are {', '.join(SETS)}")
    manifest, (rows, warnings) = write_manifest(SETS[chosen.set], chosen.folder, chosen.out)
    labels = Counter(row.label for row in rows)
    scenes = len({row.scene for row in rows})
    counted = ", ".join(f"{count} {label}" for label, count in sorted(labels.items()))
    print(f"{manifest}: {counted}; {scenes} scene(s)")
    for warning in warnings:
        print(f"jikimi: note: {warning}", file=sys.stderr)
    return 0


def _check(chosen: argparse.Namespace) -> int:
    # These load OpenCV, libav and LiteRT, which `jikimi --help` should not wait for.
    from models.data.clips import read_unchecked  # noqa: PLC0415
    from models.data.embeddings import cache_dir  # noqa: PLC0415
    from models.data.leaks import check  # noqa: PLC0415

    report = check(read_unchecked(chosen.source, chosen.folds), cache_dir())
    if chosen.json:
        try:
            text = json.dumps(report.as_json(), ensure_ascii=False, indent=2)
            chosen.json.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{chosen.json}: cannot be written ({error.strerror})") from error
    _show(report)
    if report.leaks:
        return ConfigError.exit_code
    return StreamError.exit_code if report.unreadable else 0


def _show(report: Any) -> None:
    for facts in report.sets:
        labels = ", ".join(f"{count} {label}" for label, count in facts.labels.items())
        print(f"{facts.dataset}: {facts.clips} clip(s) ({labels}) of {facts.scenes} scene(s)")
        if facts.one_label_scenes:
            alone = ", ".join(f"{count} {label}" for label, count in facts.one_label_scenes.items())
            print(_folded(f"scenes of one label only: {alone}"))
        print(_folded(facts.meaning))
    for clip, why in report.unreadable:
        print(f"unreadable: {clip.name}: {why}")
    for scene, clips in report.split.items():
        sides = ", ".join(f"{_fold(clip)} ({clip.name})" for clip in clips)
        print(f"LEAK: scene {scene} stands on both sides of the split: {sides}")
    _show_duplicates(report.duplicates)
    groups = report.belong_together
    if groups:
        print("\nGive the scenes of each line one name, and folds by it:")
        for group in groups:
            print(f"  {' '.join(group)}")
    _show_verdict(report)


def _show_duplicates(duplicates: Any) -> None:
    ordered = sorted(
        duplicates, key=lambda duplicate: not duplicate.leaks
    )  # keeps the closest first
    for duplicate in ordered[:SHOWN]:
        pair = duplicate.pair
        word = "LEAK" if duplicate.leaks else "note"
        differ = ", with different labels" if duplicate.labels_differ else ""
        turned = ", mirrored" if pair.mirrored else ""
        print(f"{word}: the same footage or place ({pair.bits} of 512 bits differ{turned}){differ}")
        for clip, at_s in ((pair.first, pair.first_s), (pair.second, pair.second_s)):
            print(f"    {clip.name} at {at_s:.1f} s, scene {clip.scene}, {_fold(clip)}")
    if len(ordered) > SHOWN:
        print(f"  … and {len(ordered) - SHOWN} more (--json FILE writes all)")


def _show_verdict(report: Any) -> None:
    leaking = sum(duplicate.leaks for duplicate in report.duplicates)
    split = f"{report.folds} folds" if report.folds else "any split by scene"
    if report.leaks:
        print(
            f"\n{split}: NOT valid: {len(report.split)} scene(s) and {leaking} pair(s) of clips "
            "stand on both sides; figures on it are too good"
        )
    else:
        print(f"\n{split}: no leak found among {report.clips - len(report.unreadable)} clips")


def _fold(clip: Any) -> str:
    return "no fold" if clip.fold is None else f"fold {clip.fold}"


def _folded(text: str) -> str:
    return fill(
        text,
        width=96,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
