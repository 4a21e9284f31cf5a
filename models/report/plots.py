"""The pictures of a report: curves, reliability, histograms; PNGs drawn from the metrics.

Needs matplotlib, the extra `plot`; without it nothing is drawn and nothing fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Metrics = Mapping[str, Any]

SIZE_INCHES = (4.4, 3.4)
DPI = 110

LEVELS = {"clip": "clips", "frame": "views"}

BLUE, RED, GREY = "#2a6fb0", "#b03a2e", "#999999"


def draw_plots(metrics: Metrics, out: Path) -> list[str] | None:
    """Draw what the metrics hold as NAME.png into `out`; the names, None without matplotlib."""
    if find_spec("matplotlib") is None:
        return None
    from matplotlib.figure import Figure  # noqa: PLC0415 - 60 MB that only plots need

    drawn = []
    for name, draw in PLOTS.items():
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        axes = figure.subplots()
        if draw(axes, metrics):
            figure.savefig(out / f"{name}.png", dpi=DPI)
            drawn.append(name)
    return drawn


def _roc(axes: Any, metrics: Metrics) -> bool:
    for level, colour in zip(LEVELS, (BLUE, GREY), strict=True):
        if curves := metrics["curves"][level]:
            auc = metrics[level]["auc"]
            axes.plot(*zip(*curves["roc"], strict=True), color=colour, label=_key(level, auc))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    return _finish(axes, "share of normal ones called so wrongly", "share of fights found", "ROC")


def _pr(axes: Any, metrics: Metrics) -> bool:
    for level, colour in zip(LEVELS, (BLUE, GREY), strict=True):
        if curves := metrics["curves"][level]:
            mean = metrics[level]["average_precision"]
            axes.plot(*zip(*curves["pr"], strict=True), color=colour, label=_key(level, mean))
    return _finish(axes, "recall", "precision", "Precision and recall")


def _key(level: str, value: float) -> str:
    return f"{LEVELS[level]}: {value:.3f}"


def _finish(axes: Any, across: str, up: str, title: str) -> bool:
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=across, ylabel=up, title=title)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
        return True
    return False


def _reliability(axes: Any, metrics: Metrics) -> bool:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    for level, colour in zip(LEVELS, (BLUE, GREY), strict=True):
        told = metrics["reliability"][level]
        filled = [one for one in told["bins"] if one["n"]]
        if filled:
            axes.plot(
                [one["mean_score"] for one in filled],
                [one["share_positive"] for one in filled],
                color=colour,
                marker="o",
                markersize=4,
                label=f"{LEVELS[level]}: error {told['expected_calibration_error']:.3f}",
            )
    return _finish(axes, "mean score", "share that is so", "Are scores probabilities?")


def _histogram(level: str) -> Callable[[Any, Metrics], bool]:
    def draw(axes: Any, metrics: Metrics) -> bool:
        counted = metrics["histograms"][level]
        if not any(map(sum, counted.values())):
            return False
        width = 1 / len(counted["positive"])
        left = [i * width for i in range(len(counted["positive"]))]
        label = metrics["label"]
        for values, colour, name in (
            (counted["negative"], GREY, f"not {label}"),
            (counted["positive"], RED, label),
        ):
            if whole := sum(values):
                heights = [value / whole for value in values]
                axes.bar(left, heights, width, align="edge", color=colour, alpha=0.55, label=name)
        axes.set(xlim=(0, 1), xlabel="score", ylabel="share", title=f"Scores of {LEVELS[level]}")
        axes.legend(fontsize="small")
        return True

    return draw


def _delays(axes: Any, metrics: Metrics) -> bool:
    delays = [event["delay_s"] for event in metrics["events"] if event["delay_s"] is not None]
    if not delays:
        return False
    axes.hist(delays, bins=20, color=BLUE)
    axes.axvline(metrics["event"]["median_delay_s"], color=RED, label="median")
    axes.set(xlabel="seconds after the fight began", ylabel="fights", title="When it alarmed")
    axes.legend(fontsize="small")
    return True


PLOTS: dict[str, Callable[[Any, Metrics], bool]] = {
    "roc": _roc,
    "precision_recall": _pr,
    "reliability": _reliability,
    "clip_scores": _histogram("clip"),
    "view_scores": _histogram("frame"),
    "delays": _delays,
}
