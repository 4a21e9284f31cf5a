"""Learning curves of a training: a table always, a picture where matplotlib is installed."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm


def write_curves(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """`history.csv` and `learning.png` in `folder`: losses and learning rate of every epoch."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(history[0]))
        table.writeheader()
        table.writerows(history)
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 (an extra)
    except ImportError:
        tqdm.write("no learning.png: pip install 'jikimi[plot]' draws it", file=sys.stderr)
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel="loss")
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row["loss"] for row in history], label="training")
    axes.plot(epochs, [row["validation_loss"] for row in history], label="validation")
    best = min(history, key=lambda row: row["validation_loss"])
    axes.axvline(best["epoch"], color="grey", linestyle=":", label="kept")
    rates = axes.twinx()
    rates.set(ylabel="learning rate", yscale="log")
    rates.step(epochs, [row["learning_rate"] for row in history], color="C2", alpha=0.5)
    axes.legend()
    figure.savefig(folder / "learning.png", dpi=120)
