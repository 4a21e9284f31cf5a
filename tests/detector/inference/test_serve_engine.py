"""Views embedded by a GPU box, and by this box where that is dead, late, wrong or another's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from structlog.testing import capture_logs

from detector.inference import serve_engine
from detector.inference.engine import Floats
from detector.inference.serve_engine import ServeEngine
from detector.inference.serve_protocol import read_request, stepped, views_of
from engines import MeanEngine
from servers.daemon import wait_until
from servers.gpu_box import WRONG, GpuBox
from servers.ports import free_port

OURS = "w" * 64


class Figures:
    """A `ServeObserver`."""

    def __init__(self) -> None:
        self.by: Counter[str] = Counter()
        self.told: list[bool] = []

    def embedded(self, by: str, views: int) -> None:
        self.by[by] += views

    def failing(self, failing: bool) -> None:
        self.told.append(failing)


class Box:
    """An engine that asks `url`."""

    def __init__(self, url: str, weights: str = OURS) -> None:
        self.figures = Figures()
        self.engine = ServeEngine(url, weights, MeanEngine(), self.figures)
        self.engine.start()

    def wait_served(self) -> None:
        wait_until(self.is_served, f"the GPU box to embed: {self.engine.trouble}")

    def is_served(self) -> bool:
        before = self.figures.by["serve"]
        self.engine.embed(views(1))
        return self.figures.by["serve"] > before


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may have much else to do; a GPU box that failed is tried again at once."""
    monkeypatch.setattr(serve_engine, "TIMEOUT_S", 20.0)
    monkeypatch.setattr(serve_engine, "ROUND_S", 20.0)
    monkeypatch.setattr(serve_engine, "backoff_s", lambda *_: 0.05)


@pytest.fixture
def gpu_box() -> Iterator[GpuBox]:
    with GpuBox(MeanEngine()) as made:
        yield made


@pytest.fixture
def box(gpu_box: GpuBox) -> Iterator[Box]:
    made = Box(gpu_box.url)
    yield made
    made.engine.stop()


def views(count: int, seed: int = 0) -> Floats:
    pixels = np.random.default_rng(seed).uniform(-1, 1, (count, 96, 96, 3))
    return pixels.astype(np.float32)


def expected(given: Floats) -> Floats:
    return MeanEngine().embed(views_of(stepped(given)))


def test_views_are_embedded_by_the_gpu_box_over_one_connection(gpu_box: GpuBox, box: Box) -> None:
    box.wait_served()
    box.figures.by.clear()
    for count in (1, 8, 16):
        given = views(count, seed=count)
        np.testing.assert_array_equal(box.engine.embed(given), expected(given))
    assert box.figures.by == {"serve": 25}
    assert box.figures.told == [False]
    assert gpu_box.connections == 1


def test_what_is_sent_differs_from_a_view_by_half_a_step_at_most() -> None:
    given = views(3)
    sent = stepped(given).tobytes()
    assert len(sent) == 3 * 27648
    np.testing.assert_allclose(views_of(read_request(sent)), given, atol=0.5 / 127 + 1e-6)
    with pytest.raises(ValueError, match="27647 bytes are not 1 to 256 views"):
        read_request(sent[:27647])


@pytest.mark.parametrize("way", WRONG)
def test_a_gpu_box_that_goes_wrong_costs_no_embedding_and_is_used_again_once_it_works(
    gpu_box: GpuBox, box: Box, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.wait_served()
    if way in {"drips", "silent"}:  # nothing else ends these
        monkeypatch.setattr(serve_engine, "TIMEOUT_S", 0.3)
    with capture_logs() as logs:
        gpu_box.way = way
        for seed in range(5):
            given = views(4, seed)
            np.testing.assert_array_equal(box.engine.embed(given), expected(given))
        assert box.figures.by["local"] >= 20
        assert box.engine.trouble.startswith(f"the GPU box {gpu_box.url} ")
        assert box.engine.trouble.endswith("; this box's own engine scores")
        asked = gpu_box.requests
        wait_until(lambda: gpu_box.requests > asked, "it to be tried again", 30)
        gpu_box.way = "works"
        monkeypatch.setattr(serve_engine, "TIMEOUT_S", 20.0)
        box.wait_served()
    assert box.engine.trouble == ""
    assert box.figures.told[-2:] == [True, False]
    assert [log["event"] for log in logs] == [
        "GPU box does not embed; this box does",
        "GPU box embeds",
    ]


def test_one_with_other_weights_refuses_and_says_so(gpu_box: GpuBox) -> None:
    gpu_box.weights = "another"
    box = Box(gpu_box.url)
    wait_until(lambda: box.engine.trouble, "a refusal")
    assert "refuses (409: has other weights)" in box.engine.trouble
    given = views(2)
    np.testing.assert_array_equal(box.engine.embed(given), expected(given))
    assert box.figures.by == {"local": 2}
    box.engine.stop()


def test_one_that_is_not_there_is_not_waited_for_and_found_once_it_is() -> None:
    port = free_port()
    box = Box(f"http://127.0.0.1:{port}")
    wait_until(lambda: "cannot be reached" in box.engine.trouble, "a reason")
    assert not box.is_served()
    with GpuBox(MeanEngine(), port=port):
        box.wait_served()
    box.engine.stop()


def test_one_that_failed_is_not_asked_by_the_batches_that_follow(
    gpu_box: GpuBox, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.wait_served()
    monkeypatch.setattr(serve_engine, "backoff_s", lambda *_: 60.0)
    monkeypatch.setattr(serve_engine, "TIMEOUT_S", 0.3)
    gpu_box.way = "silent"
    box.engine.embed(views(1))
    asked = gpu_box.requests
    for _ in range(20):
        box.engine.embed(views(1))
    assert gpu_box.requests == asked


def test_a_connection_that_was_closed_meanwhile_is_made_anew(gpu_box: GpuBox, box: Box) -> None:
    box.wait_served()
    gpu_box.closes_after_each = True
    box.figures.by.clear()
    for seed in range(5):
        given = views(2, seed)
        np.testing.assert_array_equal(box.engine.embed(given), expected(given))
    assert box.figures.by == {"serve": 10}
    assert box.figures.told == [False]


def test_one_that_is_slower_than_cameras_need_it_is_left_alone(
    gpu_box: GpuBox, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.wait_served()
    monkeypatch.setattr(serve_engine, "ROUND_S", 0.0)  # no answer is as quick
    given = views(2)
    np.testing.assert_array_equal(box.engine.embed(given), expected(given))
    assert "s an answer; cameras have 8 views a second" in box.engine.trouble
    monkeypatch.setattr(serve_engine, "ROUND_S", 20.0)
    box.wait_served()


def test_it_stops_while_the_gpu_box_is_silent(
    gpu_box: GpuBox, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.wait_served()
    monkeypatch.setattr(serve_engine, "TIMEOUT_S", 0.3)
    gpu_box.way = "silent"
    box.engine.embed(views(1))
    box.engine.stop()
    box.engine._thread.join(10)
    assert not box.engine._thread.is_alive()
    assert box.engine.embed(views(3)).shape == (3, 1)
