"""`jikimi evaluate --fold-models` shows each stage, and never on what a network has seen."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import models.report.plots
from detector.cli import main
from models.weights import second_look, sidecar

pytestmark = pytest.mark.skipif(
    find_spec("sklearn") is None, reason="scikit-learn is not installed (make train-env)"
)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_stages_are_shown_alone_and_fused_on_unseen_footage_only(
    footage: Any,
    draw: Any,
    video_network: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(models.report.plots, "find_spec", lambda _: None)  # a second a report
    data: Path = footage(sets=("city", "town", "street"))
    for number, clip in enumerate(sorted(data.glob("*/normal*.mp4"))):
        draw(clip, "normal", 0, seconds=2 + number / 25)  # drawn alike, they would be one clip
    run, out = str(tmp_path / "run"), tmp_path / "out"
    given = ["--pretrained", "shipped", "--cross-validate", "--second-look", str(video_network)]
    assert main(["train", str(data), "--out", run, *given]) == 0

    shutil.copy(data / "city/violence0.mp4", data / "city/violence1.mp4")  # a leak between folds
    assert main(["evaluate", str(data), "--out", str(out), "--fold-models", run]) == 0
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    found = metrics["second_look"]
    assert found["network"] == "small"
    assert found["seen"] == {"town": 10}
    assert (found["learnt"], found["not_looked_at"]) == (1, 0)
    assert set(found["by_dataset"]) == set(found["other_cameras"]) == {"city", "street"}
    city, against = found["by_dataset"]["city"], found["other_cameras"]["city"]
    assert (city["clips"], city["positives"], city["scenes"]) == (9, 4, 5)
    assert (against["clips"], against["positives"], against["scenes"]) == (9, 4, 9)
    for stage in ("first", "second", "fused"):
        assert city[stage]["auc"] > 0.9
        low, high = city[stage]["auc_interval"]
        assert 0 <= low <= city[stage]["auc"] <= high
    # incidents: the same fights, streams and normal clips for either, the seen town in neither
    for points in found["incidents"].values():
        for point in points:
            assert point["event"]["fights"] == 9  # ten, and one learnt from
            assert set(point["normal"]) == {"city", "street"}
    assert len({point["open_threshold"] for point in found["incidents"]["fused"]}) > 3
    for stage, own in (("first", sidecar.OPEN_THRESHOLD), ("fused", second_look.OPEN_THRESHOLD)):
        assert own in {point["open_threshold"] for point in found["incidents"][stage]}
    # what was measured before is still measured, on all sets
    assert set(metrics["by_dataset"]) == {"city", "town", "street"}
    said = capsys.readouterr().out
    assert "second look (small), AUC over clips by stage" in said
    assert "clips that its network has seen (10 of town), that its head has learnt from (1)" in said
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "The second look" in page
    assert "street against other cameras" in page
