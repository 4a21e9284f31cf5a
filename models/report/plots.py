"""The pictures of a report: curves, reliability, histograms; PNGs drawn from an evaluation.

Needs matplotlib, the extra `plot`; without it nothing is drawn and nothing fails.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.evaluation.result import ByLevel, Curves, Evaluation, Histogram
from models.statistics import Classification, Reliability

SIZE_INCHES = (4.4, 3.4)
DPI = 110

BLUE, RED, GREY = "#2a6fb0", "#b03a2e", "#999999"


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw_plots(evaluation: Evaluation, out: Path) -> list[str] | None:
    """Draw what was measured as NAME.png into `out`; the names, None without matplotlib."""
    if not can_draw():
        return None
    from matplotlib.figure import Figure  # noqa: PLC0415 - 60 MB that only plots need

    drawn = []
    for name, draw in PLOTS.items():
        figure = Figure(figsize=SIZE_INCHES, layout="constrained")
        axes = figure.subplots()
        if draw(axes, evaluation):
            figure.savefig(out / f"{name}.png", dpi=DPI)
            drawn.append(name)
    return drawn


def _roc(axes: Any, evaluation: Evaluation) -> bool:
    for name, colour, curves, figures in _levels(evaluation):
        if curves:
            label = f"{name}: {figures.auc:.3f}"
            axes.plot(*zip(*curves.roc, strict=True), color=colour, label=label)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    return _finish(axes, "share of normal ones called so wrongly", "share of fights found", "ROC")


def _pr(axes: Any, evaluation: Evaluation) -> bool:
    for name, colour, curves, figures in _levels(evaluation):
        if curves:
            label = f"{name}: {figures.average_precision:.3f}"
            axes.plot(*zip(*curves.pr, strict=True), color=colour, label=label)
    return _finish(axes, "recall", "precision", "Precision and recall")


def _levels(evaluation: Evaluation) -> list[tuple[str, str, Curves | None, Classification]]:
    curves = evaluation.curves
    return [
        ("clips", BLUE, curves.clip, evaluation.clip),
        ("views", GREY, curves.frame, evaluation.frame),
    ]


def _finish(axes: Any, across: str, up: str, title: str) -> bool:
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=across, ylabel=up, title=title)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small")
        return True
    return False


def _reliability(axes: Any, evaluation: Evaluation) -> bool:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    levels: ByLevel[Reliability] = evaluation.reliability
    for name, colour, level in (("clips", BLUE, levels.clip), ("views", GREY, levels.frame)):
        filled = [own for own in level.bins if own.n]
        if filled:
            axes.plot(
                [own.mean_score for own in filled],
                [own.share_positive for own in filled],
                color=colour,
                marker="o",
                markersize=4,
                label=f"{name}: error {level.expected_calibration_error:.3f}",
            )
    return _finish(axes, "mean score", "share that is so", "Are scores probabilities?")


def _clip_scores(axes: Any, evaluation: Evaluation) -> bool:
    return _histogram(axes, evaluation.histograms.clip, "clips", evaluation.label)


def _view_scores(axes: Any, evaluation: Evaluation) -> bool:
    return _histogram(axes, evaluation.histograms.frame, "views", evaluation.label)


def _histogram(axes: Any, counted: Histogram, level: str, label: str) -> bool:
    if not any(map(sum, (counted.positive, counted.negative))):
        return False
    width = 1 / len(counted.positive)
    left = [i * width for i in range(len(counted.positive))]
    for values, colour, name in (
        (counted.negative, GREY, f"not {label}"),
        (counted.positive, RED, label),
    ):
        if whole := sum(values):
            heights = [value / whole for value in values]
            axes.bar(left, heights, width, align="edge", color=colour, alpha=0.55, label=name)
    axes.set(xlim=(0, 1), xlabel="score", ylabel="share", title=f"Scores of {level}")
    axes.legend(fontsize="small")
    return True


def _delays(axes: Any, evaluation: Evaluation) -> bool:
    delays = [event.delay_s for event in evaluation.events if event.delay_s is not None]
    if not delays:
        return False
    axes.hist(delays, bins=20, color=BLUE)
    axes.axvline(evaluation.event.median_delay_s, color=RED, label="median")
    axes.set(xlabel="seconds after the fight began", ylabel="fights", title="When it alarmed")
    axes.legend(fontsize="small")
    return True


PLOTS: dict[str, Callable[[Any, Evaluation], bool]] = {
    "roc": _roc,
    "precision_recall": _pr,
    "reliability": _reliability,
    "clip_scores": _clip_scores,
    "view_scores": _view_scores,
    "delays": _delays,
}
