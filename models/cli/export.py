"""`jikimi export`: a training's weights for every engine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from models.cli.needs import need_folder, need_packages


def add_commands(commands: Any) -> None:
    """Add `export`."""
    export = commands.add_parser(
        "export",
        help="write a training's weights for every engine, each checked on its clips",
        description="Write the weights that `jikimi train` left in RUN for every engine into the "
        "folder DIR, under one sidecar. One that ranks clips worse is refused.",
    )
    export.add_argument(
        "run_folder", type=Path, metavar="RUN", help="the folder that `jikimi train` wrote to"
    )
    export.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the weights"
    )
    export.add_argument(
        "--int8", action="store_true", help="with whole numbers inside too: smaller, faster"
    )
    export.set_defaults(run=_export)


def _export(chosen: argparse.Namespace) -> int:
    from models.data.embeddings import cache_dir  # noqa: PLC0415 - loads OpenCV and LiteRT
    from models.export import export, lines  # noqa: PLC0415

    if chosen.int8:
        need_packages("--int8", "tensorflow")
    need_folder(chosen.out)
    sidecar = export(chosen.run_folder, chosen.out, cache_dir(), int8=chosen.int8)
    print("\n".join(lines(sidecar)))
    print(sidecar)
    return 0
