"""What was measured, as a table for people, JSON for machines and a picture of the growth."""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Row:
    """One contender on one scene: CPU milliseconds per camera-second, turn by turn."""

    scene: str
    who: str
    cpu_ms: list[float] = field(default_factory=list)
    against_floor: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True)
class Growth:
    """The daemon with so many cameras; CPU milliseconds a second, all cameras together."""

    cameras: int
    busy: int
    seconds: float
    cpu_ms: float
    server_cpu_ms: float
    memory_mb: float
    scored_share: float
    age_p99_s: float
    asleep_share: float


@dataclass(frozen=True)
class Fit:
    """So much in all, for each idle and for each busy camera; by how much each count is off it."""

    fixed: float
    idle: float
    busy: float
    off: list[float]


@dataclass(frozen=True)
class Spread:
    """Quantiles; between two values the higher, so never better than the truth."""

    median: float
    p95: float
    p99: float
    most: float


@dataclass(frozen=True)
class Latency:
    """Alerts at a subscriber, `ms` milliseconds after the packet they are about.

    `disk`: what the daemon's disk was doing, `fsync_ms` what an fsync took there meanwhile.
    `until_written_ms`: to the alert's `sent_at`, before its picture and the outbox;
    `since_fight_s`: from the fight's first picture, smoothing included. `opened_at_off_ms`: by how
    much the daemon's own stamp is later than the packet, as a cross-check.
    """

    fights: str
    cameras: int
    alerts: int
    disk: str
    fsync_ms: Spread
    ms: Spread
    until_written_ms: Spread
    since_fight_s: Spread
    opened_at_off_ms: Spread
    scored_share: float


@dataclass(frozen=True)
class Looks:
    """The second look on cameras where people move all the time.

    `look_s`: seconds of a core a look. `share_of_core`: what all of them took of one over the time.
    `left_out`: looks that were due and not had. `age_p99_s`: from a picture's packet to what the
    look says of it, the bucket's upper end.
    """

    cameras: int
    seconds: float
    looks: int
    left_out: dict[str, int]
    look_s: float
    share_of_core: float
    age_p99_s: float


@dataclass(frozen=True)
class Found:
    """Everything of one run; `pieces`: milliseconds for one view."""

    rows: Sequence[Row]
    growth: Sequence[Growth]
    pieces: Mapping[str, float]
    latency: Sequence[Latency] = ()
    looks: Looks | None = None

    def as_json(self) -> dict[str, object]:
        """Rounded to what was measured."""
        return {
            "machine": machine(),
            "costs": [asdict(row) for row in self.rows],
            "growth": [asdict(step) for step in self.growth],
            "cpu_fit": asdict(fit(self.growth, "cpu_ms")),
            "memory_fit": asdict(fit(self.growth, "memory_mb")),
            "pieces_ms": dict(self.pieces),
            "latency": [asdict(part) for part in self.latency],
            "looks": self.looks and asdict(self.looks),
        }


def machine() -> str:
    """Processor and number of cores."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")
    return f"{model}, {os.cpu_count()} cores"


def fit(growth: Sequence[Growth], what: str) -> Fit:
    """`what` as a fixed part and one for each camera, by least squares.

    Idle and busy ones apart: a tenth of 1, 4, 16 and 64 is not the same share of them.
    """
    terms = np.array([(1, step.cameras - step.busy, step.busy) for step in growth], float)
    values = np.array([getattr(step, what) for step in growth], float)
    parts = np.linalg.lstsq(terms, values)[0]
    fixed, idle, busy = parts.tolist()
    return Fit(fixed, idle, busy, (values - terms @ parts).tolist())


def spread(values: Sequence[float]) -> Spread:
    """Median, 95 %, 99 % and the most of `values`."""
    quantiles = np.quantile(values, (0.5, 0.95, 0.99, 1.0), method="higher")
    return Spread(*(round(float(value), 3) for value in quantiles))


def console_table(rows: list[Row], cameras: int) -> str:
    """Markdown: what all cameras together take of a core, and how much of it is looking."""
    lines = [
        machine(),
        "",
        "| scene | who | % of a core | looking, % of a core | × nobody | MB |",
        "|---|---|---|---|---|---|",
    ]
    nobody = 0.0
    for row in rows:
        share = statistics.median(row.cpu_ms) * cameras / 10
        if row.who == "nobody looks":
            nobody = share
        lines.append(
            f"| {row.scene} | {row.who} | {share:.1f} | {share - nobody:+.1f} "
            f"| {row.against_floor:.2f} | {row.memory_mb:.0f} |"
        )
    return "\n".join(lines)


def table(found: Found) -> str:
    """Markdown."""
    lines = [
        machine(),
        "",
        "| scene | who | CPU ms a camera-second | spread | cameras a core | × floor | MB each |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found.rows:
        if not row.cpu_ms:
            lines.append(f"| {row.scene} | {row.who} | | | | | |")
            continue
        middle = statistics.median(row.cpu_ms)
        cameras = int(row.scene.rpartition(", ")[2].split()[0])
        lines.append(
            f"| {row.scene} | {row.who} | {middle:.1f} | {min(row.cpu_ms):.1f}-"
            f"{max(row.cpu_ms):.1f} | {1000 / middle:.0f} | {row.against_floor:.2f} | "
            f"{(row.memory_mb or 0) / cameras:.0f} |"
        )
    lines += [
        "",
        "640×360, some cameras busy, the others idle:",
        "",
        "| cameras | busy | s | CPU ms a second | server's | MB | scored | age p99 s | asleep |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {step.cameras} | {step.busy} | {step.seconds:.0f} | {step.cpu_ms:.0f} | "
        f"{step.server_cpu_ms:.0f} | {step.memory_mb:.0f} | "
        f"{step.scored_share:.2%} | {step.age_p99_s:g} | {step.asleep_share:.0%} |"
        for step in found.growth
    ]
    lines.append("")
    for what, unit in (("cpu_ms", "ms a second"), ("memory_mb", "MB")):
        line = fit(found.growth, what)
        off = ", ".join(f"{value:+.0f}" for value in line.off)
        lines.append(
            f"{line.fixed:.0f} + {line.idle:.1f} an idle camera + {line.busy:.1f} a busy one, "
            f"{unit} (off it: {off})"
        )
    lines += [f"{name}: {milliseconds:.2f} ms" for name, milliseconds in found.pieces.items()]
    if found.looks:
        lines += ["", looks_line(found.looks)]
    if found.latency:
        lines += ["", latency_table(found.latency)]
    return "\n".join(lines)


def looks_line(found: Looks) -> str:
    """A sentence."""
    left_out = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items())
    return (
        f"second look on {found.cameras} moving cameras of 640×360, {found.seconds:.0f} s: "
        f"{found.looks} looks of {found.look_s:.3f} s of a core, {found.share_of_core:.1%} of one, "
        f"answers within {found.age_p99_s:g} s (99 %); left out: {left_out}"
    )


def latency_table(parts: Sequence[Latency]) -> str:
    """Markdown; a cell holds median, 95 %, 99 % and the most."""
    lines = [
        "From a packet's arrival to the alert at an MQTT subscriber, over the smoothing's delay:",
        "",
        "| 640×360 | fsync ms | alerts | ms | until written | opened_at | s from fight | scored |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {part.cameras} cameras fight {part.fights}, disk {part.disk} | "
        f"{_cell(part.fsync_ms, 1)} | {part.alerts} | {_cell(part.ms, 0)} | "
        f"{_cell(part.until_written_ms, 0)} | {_cell(part.opened_at_off_ms, 0)} | "
        f"{_cell(part.since_fight_s, 2)} | {part.scored_share:.2%} |"
        for part in parts
    ]
    return "\n".join(lines)


def _cell(values: Spread, digits: int) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in astuple(values))


def plot(growth: Sequence[Growth], path: Path) -> None:
    """Processor time and memory over the cameras, with what the fit makes of them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    cameras = [step.cameras for step in growth]
    for at, (what, unit) in enumerate((("cpu_ms", "CPU ms a second"), ("memory_mb", "MB"))):
        axes = figure.add_subplot(1, 2, at + 1)
        values = np.array([getattr(step, what) for step in growth], float)
        axes.plot(cameras, values, "o", fillstyle="none", label="measured")
        axes.plot(cameras, values - fit(growth, what).off, "+", label="fit")
        axes.legend()
        axes.set_xlabel("cameras, some busy")
        axes.set_ylabel(unit)
    figure.savefig(path)


def write(found: Mapping[str, object], path: Path | None) -> None:
    """JSON into `path`; without one, to standard error, so that the table stands alone."""
    text = json.dumps(found, indent=2)
    if path:
        path.write_text(text)
    else:
        sys.stderr.write(text + "\n")
