"""`jikimi plan` asks for more where more is to be done, and says so in whole cores."""

from __future__ import annotations

import pytest

from detector.capture.kept.bounds import BOX_BYTES
from detector.cli import main
from detector.planning import (
    BASE_MEMORY_MB,
    COSTS,
    LOAD,
    Boxes,
    looked_at,
    plan,
    plan_cluster,
    told_looks,
)


@pytest.mark.parametrize("resolution", list(COSTS))
def test_busy_cameras_need_more_than_idle_ones(resolution: str) -> None:
    idle, mixed, busy = (plan(40, resolution, share) for share in (0, 0.2, 1))
    assert idle.load_cores < mixed.load_cores < busy.load_cores
    assert idle.memory_mb == busy.memory_mb


def test_twice_the_cameras_need_twice_the_processor() -> None:
    assert plan(80, "720p", 0.2).load_cores == pytest.approx(2 * plan(40, "720p", 0.2).load_cores)


def test_the_cores_to_buy_leave_room() -> None:
    for cameras in (1, 7, 40, 64, 300):
        found = plan(cameras, "720p", 0.3)
        assert found.load_cores <= LOAD * found.cores
        assert found.cores == 1 or found.load_cores > LOAD * (found.cores - 1)


@pytest.mark.slow
def test_the_command_says_it_in_a_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--cameras", "40", "--resolution", "720p"]) == 0
    said = capsys.readouterr().out
    cores = plan(40, "720p", 0.2).cores
    assert f"{cores} core(s)" in said
    assert "Mbit/s" in said
    assert "GB" in said


def test_a_second_look_is_for_fewer_cameras_the_busier_they_are_and_the_slower_it_is() -> None:
    fast, slow = looked_at(0.1), looked_at(0.2)
    assert fast["ordinary"] == pytest.approx(2 * slow["ordinary"])
    assert fast["ordinary"] > 5 * fast["busy"]


@pytest.mark.parametrize(
    ("look_s", "said"),
    [
        (0.1, "10% of a core, all that it may take, are enough for 10 ordinary cameras"),
        (0.55, "alarms of the first stage do not wait so long for it"),
        (1.1, "too slow: motion alone decides, and alarms are not verified"),
    ],
)
def test_what_a_look_takes_here_is_told_with_what_that_means(look_s: float, said: str) -> None:
    assert said in told_looks(look_s)
    assert f"{look_s:.2f} s of a core" in told_looks(look_s)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--cameras", "0"],
        ["--cameras", "4", "--busy", "20"],
        ["--cameras", "4", "--boxes", "many"],
        ["--cameras", "4", "--boxes", "2x0cores"],
    ],
)
def test_what_makes_no_sense_is_refused(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", *wrong])
    assert ended.value.code == 64
    assert capsys.readouterr().err


def test_memory_for_clips_is_part_of_the_whole_and_bounded() -> None:
    one, many = plan(1, "720p", 0.2), plan(1000, "1080p", 0.2)
    assert one.clips_mb == pytest.approx(2.8e6 / 8 * 14 / 1e6)
    assert many.clips_mb <= BOX_BYTES / 1e6
    assert one.memory_mb == pytest.approx(BASE_MEMORY_MB + COSTS["720p"].memory_mb + one.clips_mb)


@pytest.mark.parametrize("cameras", [1, 50, 122, 123, 500, 3000])
@pytest.mark.parametrize(
    "boxes",
    [[Boxes(2, 2)], [Boxes(30, 2)], [Boxes(4, 2), Boxes(1, 16)], [Boxes(3, 8), Boxes(9, 4)]],
)
def test_a_cluster_has_room_for_its_cameras_without_those_that_may_die(
    cameras: int, boxes: list[Boxes]
) -> None:
    each = plan(1, "360p", 0.2).load_cores
    found = plan_cluster(cameras, "360p", 0.2, boxes)
    cores = sorted(kind.cores for kind in boxes for _ in range(kind.count))
    left = cores[: len(cores) - found.may_die]
    assert (found.watched >= cameras) is (sum(LOAD * n // each for n in cores) >= cameras)
    assert found.may_die == 0 or sum(LOAD * n // each for n in left) >= cameras
    enough = plan_cluster(cameras, "360p", 0.2, [*boxes, Boxes(found.lacking, boxes[-1].cores)])
    assert enough.may_die >= 1
    assert (found.lacking == 0) is (found.may_die >= 1)


def test_the_command_says_how_many_boxes_may_die(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--cameras", "3000", "--boxes", "30x2cores"]) == 0
    assert "25 needed; 30 have room for 3690 cameras" in capsys.readouterr().out
    assert main(["plan", "--cameras", "200", "--boxes", "2x2cores,1x2"]) == 0
    said = capsys.readouterr().out
    assert "2 needed; 3 have room for 369 cameras" in said
    assert "1 may die at once" in said
