"""A GPU box for several boxes, on Ray Serve: what it embeds, and what is lost when it dies.

In this order, for starting Ray takes a minute; there is no GPU here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest

from detector.inference import serve_engine
from detector.inference.engine import Engine, Floats
from detector.inference.serve_engine import ServeEngine
from detector.inference.serve_protocol import PATH, stepped, views_of, weights_key
from detector.inference.weights import load_classifier, shipped_weights
from servers.cluster import descendants, kill_all
from servers.daemon import wait_until
from servers.ports import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        find_spec("ray") is None or find_spec("fastapi") is None,
        reason="needs Ray Serve: pip install 'jikimi[serve]'",
    ),
]

BATCHES = 100
VIEWS = 4


@dataclass
class GpuBoxProcess:
    """`jikimi cluster serve`."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def about(self) -> dict[str, Any]:
        with urlopen(f"{self.url}{PATH}", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def replicas(self) -> set[int]:
        """Processes that embed."""
        found = set()
        for pid in descendants(self.process.pid):
            with suppress(OSError):  # it has just ended
                if b"ray::ServeReplica" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.add(pid)
        return found


@dataclass
class BoxClient:
    """One box's engine and what it gave; a `ServeObserver`, too."""

    url: str
    seed: int
    local: Engine
    weights: str
    by: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    done: int = 0

    def __post_init__(self) -> None:
        self.engine = ServeEngine(self.url, self.weights, self.local, self)
        self.engine.start()

    def embedded(self, by: str, views: int) -> None:
        self.by[by] += views

    def failing(self, failing: bool) -> None:
        """Not counted."""

    def embed(self, seed: int) -> None:
        """A batch, compared with what this machine's own engine makes of it."""
        rng = np.random.default_rng((self.seed, seed))
        views: Floats = rng.uniform(-1, 1, (VIEWS, 96, 96, 3)).astype(np.float32)
        found = self.engine.embed(views)
        expected = self.local.embed(views_of(stepped(views)))
        self.wrong += not np.allclose(found, expected, rtol=0, atol=1e-6)
        self.done += 1

    def served(self) -> bool:
        """Whether the GPU box embeds, tried by one batch."""
        before = self.by["serve"]
        self.embed(0)
        return self.by["serve"] > before


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped ones for LiteRT alone: else each side has what is quickest there."""
    folder: Path = tmp_path_factory.mktemp("weights")
    shipped = shipped_weights()
    described = json.loads(shipped.read_text())
    described["engines"] = {"litert": described["engines"]["litert"]}
    for file in (described["engines"]["litert"], described["head"]):
        shutil.copy(shipped.parent / file["file"], folder)
    (folder / "violence.json").write_text(json.dumps(described))
    return folder / "violence.json"


@pytest.fixture(scope="module")
def gpu_box(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpuBoxProcess]:
    log: Path = tmp_path_factory.mktemp("serve") / "log"
    ray = tempfile.mkdtemp(prefix="ray")
    port = free_port()
    command = [sys.executable, "-m", "detector.cli", "cluster", "serve", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--weights", str(weights)]
    environment = {"RAY_TMPDIR": ray, "PYTHONPATH": os.pathsep.join(sys.path)}
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=out, stderr=out)
    made = GpuBoxProcess(process, f"http://127.0.0.1:{port}", log)

    def serves() -> bool:
        assert process.poll() is None, log.read_text()
        return '"event": "serves"' in log.read_text()

    try:
        wait_until(serves, "the GPU box to serve", 240)
        yield made
    finally:
        kill_all(descendants(process.pid))
        process.wait()
        shutil.rmtree(ray, ignore_errors=True)


@pytest.fixture
def boxes(gpu_box: GpuBoxProcess, weights: Path) -> Iterator[list[BoxClient]]:
    made = []
    for seed in range(2):
        classifier = load_classifier(weights, engine="litert")
        key = weights_key(classifier.sidecar)
        made.append(BoxClient(gpu_box.url, seed, classifier.engine, key))
    yield made
    for one in made:
        one.engine.stop()


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may have much else to do."""
    monkeypatch.setattr(serve_engine, "TIMEOUT_S", 5.0)
    monkeypatch.setattr(serve_engine, "ROUND_S", 5.0)
    monkeypatch.setattr(serve_engine, "backoff_s", lambda *_: 0.2)


def running(boxes: list[BoxClient], stop: threading.Event) -> list[threading.Thread]:
    """Each box embeds `BATCHES`, and on until `stop`."""

    def run(one: BoxClient) -> None:
        while one.done < BATCHES or not stop.is_set():
            one.embed(one.done)

    threads = [threading.Thread(target=run, args=(one,)) for one in boxes]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(one.done > BATCHES // 10 for one in boxes), "both to be at it", 120)
    return threads


def test_two_boxes_have_their_views_embedded_together_as_each_would_itself(
    gpu_box: GpuBoxProcess, boxes: list[BoxClient]
) -> None:
    wait_until(lambda: all(one.served() for one in boxes), "both to be served", 120)
    before = gpu_box.about()
    stop = threading.Event()
    stop.set()
    for thread in running(boxes, stop):
        thread.join()
    after = gpu_box.about()
    assert [one.wrong for one in boxes] == [0, 0]
    requests = after["requests"] - before["requests"]
    batches = after["batches"] - before["batches"]
    print(f"{requests} requests of 2 boxes in {batches} batches by {after['engine']}")
    assert batches < requests


def test_one_with_other_weights_is_refused_and_embeds_by_itself(
    gpu_box: GpuBoxProcess, boxes: list[BoxClient]
) -> None:
    other = load_classifier(engine="litert")
    box = BoxClient(gpu_box.url, 2, other.engine, weights_key(other.sidecar))
    wait_until(lambda: box.engine.trouble, "a refusal", 60)
    assert "refuses (409: has the weights" in box.engine.trouble
    assert not box.served()
    assert box.wrong == 0
    box.engine.stop()


def test_a_replica_that_is_killed_costs_no_score_and_another_takes_its_place(
    gpu_box: GpuBoxProcess, boxes: list[BoxClient]
) -> None:
    wait_until(lambda: all(one.served() for one in boxes), "both to be served", 120)
    stop = threading.Event()
    threads = running(boxes, stop)
    killed = gpu_box.replicas()
    kill_all([*killed])
    wait_until(lambda: gpu_box.replicas() - killed, "another replica", 120)
    stop.set()
    for thread in threads:
        thread.join()
    wait_until(lambda: all(one.served() for one in boxes), "both to be served again", 120)
    assert [one.wrong for one in boxes] == [0, 0]
    print("a replica killed:", [(one.done, dict(one.by)) for one in boxes])


def test_a_gpu_box_that_is_killed_costs_no_score(
    gpu_box: GpuBoxProcess, boxes: list[BoxClient]
) -> None:
    wait_until(lambda: all(one.served() for one in boxes), "both to be served", 120)
    stop = threading.Event()
    threads = running(boxes, stop)
    kill_all(descendants(gpu_box.process.pid))
    wait_until(lambda: all(one.engine.trouble for one in boxes), "both to do without", 60)
    stop.set()
    for thread in threads:
        thread.join()
    assert [one.wrong for one in boxes] == [0, 0]
    assert all(one.by["local"] for one in boxes)
    print("the GPU box killed:", [(one.done, dict(one.by)) for one in boxes])
