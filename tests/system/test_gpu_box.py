"""The daemon with `engine: serve`: what it says while the GPU box scores, is gone, is another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.inference.serve_protocol import weights_key
from detector.inference.weights import load_classifier
from servers.daemon import DaemonProcess, wait_until
from servers.gpu_box import GpuBox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def scored(daemon: DaemonProcess) -> dict[str, float]:
    """By whom, views scored so far."""
    by = ("serve", "local")
    return {name: daemon.metric("jikimi_engine_views_total", by=name) for name in by}


def test_the_gpu_box_scores_and_without_it_the_daemon_does_and_says_so(tmp_path: Path) -> None:
    classifier = load_classifier(engine="litert")
    ours = weights_key(classifier.sidecar)
    with GpuBox(classifier.engine, ours) as gpu_box:
        config = f"engine: serve\nserve_url: {gpu_box.url}\nevidence: off\n"
        with DaemonProcess(tmp_path / "jikimi", config, {"yard": "pattern://scuffle"}) as daemon:
            wait_until(lambda: scored(daemon)["serve"], "the GPU box to score")
            assert "serve" in daemon.jikimi("status").stdout
            gpu_box.weights = "another"
            wait_until(
                lambda: any("refuses (409" in why for why in daemon.health()["reasons"]),
                "a reason",
            )
            assert daemon.metric("jikimi_engine_serve_failing") == 1
            before = scored(daemon)["local"]
            wait_until(lambda: scored(daemon)["local"] > before, "the daemon to score itself")
            gpu_box.weights = ours
            wait_until(lambda: not daemon.metric("jikimi_engine_serve_failing"), "the GPU box")
            before = scored(daemon)["serve"]
            wait_until(lambda: scored(daemon)["serve"] > before, "the GPU box to score again")
            assert not any("GPU box" in why for why in daemon.health()["reasons"])
            assert b"/ray/" not in Path(f"/proc/{daemon.process.pid}/maps").read_bytes()
            daemon.stop()
