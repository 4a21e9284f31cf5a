"""Real streams of cameras whose clock is wrong, or that break off again and again."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from detector.types import CameraState
from servers.camera_clocks import BreakingRelay, ClockRelay, MjpegServer
from servers.rtsp import RtspServer

LIVE = CameraState.LIVE


def before(server: RtspServer, relay: ClockRelay | BreakingRelay) -> str:
    """The URL of the stream `gate`, by way of `relay`."""
    return server.url("gate").replace(str(server.port), str(relay.port))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clock", "words"),
    [
        (lambda _: 0.0, "time stamps stand still"),
        (lambda s: s / 90, "run at 0.01"),
        (lambda s: s / 4, "run at 0.2"),
        (lambda s: 4 * s, "run at 4 times"),
    ],
)
def test_a_wrong_clock_is_said_once_and_arrival_gone_by(
    watch: Callable, clip: Path, clock: Callable[[float], float], words: str
) -> None:
    with (
        capture_logs() as logs,
        RtspServer({"gate": clip}) as server,
        ClockRelay(server.port, clock) as relay,
    ):
        watched = watch(before(server, relay))
        watched.wait(lambda w: w.state is LIVE and w.states[-1].reason)
        seen = len(watched.samples)
        watched.wait(lambda w: len(w.samples) >= seen + 26)
        first, last = watched.samples[seen + 1], watched.samples[seen + 25]
        assert last.pts_s - first.pts_s == pytest.approx(24 / 8, abs=0.2)
        assert last.at_s - first.at_s == pytest.approx(24 / 8, abs=0.2)
        assert all(b.pts_s > a.pts_s and b.at_s >= a.at_s for a, b in pairwise(watched.samples))
        assert words in watched.states[-1].reason
    told = [line for line in logs if words in line.get("reason", "")]
    assert [line["log_level"] for line in told] == ["warning"]
    # what was not taken before that was due all the same
    assert watched.counts["due"] >= 8 * (last.at_s - watched.samples[0].at_s) - 4


@pytest.mark.slow
@pytest.mark.parametrize("jump_s", [-5.0, 3600.0, 2**32 / 90_000 - 1])
def test_stream_time_that_begins_anew_in_one_connection_costs_nothing(
    watch: Callable, clip: Path, jump_s: float
) -> None:
    with (
        RtspServer({"gate": clip}) as server,
        ClockRelay(server.port, lambda s: s + 10) as relay,
    ):
        watched = watch(before(server, relay))
        watched.wait(lambda w: len(w.samples) >= 16)
        relay.clock = lambda s: s + 10 + jump_s
        watched.wait(lambda w: len(w.samples) >= 40)
        assert watched.history == [CameraState.CONNECTING, LIVE]
        assert not watched.states[-1].reason
    steps = [b.pts_s - a.pts_s for a, b in pairwise(watched.samples)]
    assert max(steps) < 0.3


@pytest.mark.slow
def test_pictures_without_time_stamps_are_dated_by_their_arrival(watch: Callable) -> None:
    with MjpegServer() as server:
        watched = watch(server.url(5), open_timeout_s=10)
        watched.wait(lambda w: w.state is LIVE and w.states[-1].reason, 30)
        seen = len(watched.samples)
        watched.wait(lambda w: len(w.samples) >= seen + 16)
    first, last = watched.samples[seen + 1], watched.samples[seen + 15]
    assert last.pts_s - first.pts_s == pytest.approx(14 / 5, abs=0.2)


@pytest.mark.slow
def test_a_camera_that_breaks_off_after_four_pictures_is_live_once_and_tried_less_and_less(
    watch: Callable, clip: Path
) -> None:
    with RtspServer({"gate": clip}) as server, BreakingRelay(server.port, 4) as relay:
        watched = watch(before(server, relay))
        watched.wait(lambda w: w.counts["connecting"] >= 4)
        tried = [2**n * 0.8 for n in range(3)]  # seconds between them, at least
        assert watched.samples[-1].at_s - watched.samples[0].at_s > sum(tried[:2])
    assert watched.history == [CameraState.CONNECTING, LIVE, CameraState.OFFLINE]
    assert "ended before anything could be seen" in watched.states[-1].reason
    assert watched.samples
