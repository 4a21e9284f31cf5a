"""What the coordinator has last told of the cluster: a file that the box's host leaves its daemon.

Beside it lies the file by which a Prometheus finds all boxes
(https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config).
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from alerts.storage.files import START_S, unfinished, within

CLUSTER = "cluster.json"
TARGETS = "prometheus.json"
"""In the state directory."""


def write_cluster(state_dir: Path, box: str, told: dict[str, Any]) -> None:
    """Have `box` show what `Coordinator.report` says of the cluster, and Prometheus find all."""
    targets = [
        {"targets": [target], "labels": {"box": name, "instance": name}}
        for name, target in sorted(told["targets"].items())
    ]
    for name, content in ((CLUSTER, as_written(box, told)), (TARGETS, targets)):
        path = state_dir / name
        # Not `write_whole`: every 5 s, and nobody needs it after a power cut.
        unfinished(path).write_text(json.dumps(content))
        unfinished(path).replace(path)


def as_written(box: str, told: dict[str, Any]) -> dict[str, Any]:
    """What the file says if it is written now."""
    return told | {"box": box, "at_s": time.monotonic()}


class ClusterFile:
    """The file's content, read again only when it is another one; safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: tuple[tuple[int, int], Any] = ((0, 0), None)

    def read(self) -> Any:
        """What it says; None where there is none, or it cannot be read."""
        try:
            return within(START_S, self._read)
        except (OSError, ValueError):
            return None

    def _read(self) -> Any:
        status = self._path.stat()
        # Each is written beside and renamed; an inode may come again, in the same moment not.
        found = (status.st_ino, status.st_mtime_ns)
        kept, content = self._kept
        if found != kept:
            content = json.loads(self._path.read_bytes())
            self._kept = (found, content)
        return content
