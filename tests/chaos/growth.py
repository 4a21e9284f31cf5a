"""What a process takes, sample by sample, and how fast it grows."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

Usage = Mapping[str, float]
"""By name: megabytes of memory (RSS), open files, threads, kilobytes of each file of its state."""


def usage(pid: int, folder: Path) -> dict[str, float]:
    """What process `pid`, whose state directory is `folder`, takes now."""
    process = Path(f"/proc/{pid}")
    pages = int((process / "statm").read_text().split()[1])
    found = {
        "seconds": time.monotonic(),
        "memory (MB)": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "open files": len(list((process / "fd").iterdir())),
        "threads": len(list((process / "task").iterdir())),
    }
    # Not evidence: a folder an incident, 15,000 files after two hours.
    for file in sorted((*folder.glob("*"), *folder.glob("calibration/*"))):
        if file.is_file():
            found[f"{file.relative_to(folder)} (kB)"] = file.stat().st_size / 1000
    return found


def slopes(samples: Sequence[Usage]) -> dict[str, float]:
    """Growth an hour of each thing, a line fitted by least squares; what was never there is 0."""
    names = {name: None for sample in samples for name in sample if name != "seconds"}
    hours = [(sample["seconds"] - samples[0]["seconds"]) / 3600 for sample in samples]
    mean_hour = sum(hours) / len(hours)
    spread = sum((hour - mean_hour) ** 2 for hour in hours)
    found = {}
    for name in names:
        values = [sample.get(name, 0.0) for sample in samples]
        mean = sum(values) / len(values)
        products = (
            (hour - mean_hour) * (value - mean) for hour, value in zip(hours, values, strict=True)
        )
        found[name] = sum(products) / spread
    return found
