"""The `jikimi` command as people and scripts meet it: words, files and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import jsonschema
import pytest
import yaml

from detector.cli.operate import seconds
from servers.rtsp import make_clip

EXAMPLES = sorted((Path(__file__).parents[3] / "config/examples").glob("*.yaml"))

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["score"],
        ["probe"],
        ["silence"],
        ["silence", "--for", "soon"],
        ["silence", "--for", "-5m"],
        ["run", "--for", "a while"],
        ["status", "--color"],
    ],
)
def test_wrong_usage_exits_64_and_shows_the_usage(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert code == 64
    assert out == ""
    assert "usage: jikimi" in err


def test_help_and_version_are_no_errors(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for command in (
        "run",
        "check",
        "probe",
        "score",
        "drill",
        "silence",
        "unsilence",
        "status",
        "recalibrate",
    ):
        assert command in out
        assert run(command, "--help")[0] == 0
    assert run("--version")[1].startswith("jikimi ")


def test_a_password_in_the_wrong_place_is_not_repeated(run: Run) -> None:
    url = "gate=rtsp://viewer:hunter2-at-the-gate@192.0.2.1/stream1"
    for arguments in (["status", url], ["probe", "rtsp://192.0.2.1/", url], ["run", "--for", url]):
        code, out, err = run(*arguments)
        assert code == 64
        assert "hunter2" not in out + err


def test_an_unexpected_error_keeps_passwords_to_itself(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(url: Any) -> None:
        raise RuntimeError(f"libav says: {url.url}")

    monkeypatch.setattr("detector.probe.probe", fail)
    code, _, err = run("probe", "rtsp://viewer:hunter3-at-the-gate@192.0.2.1/")
    assert code == 1
    assert "libav says" in err
    assert "hunter3" not in err


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2m ", 120)],
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == expected


# --- score


def test_score_prints_the_documented_json(run: Run, brawl_video: Path, make_weights: Any) -> None:
    code, out, err = run("score", brawl_video, brawl_video, "--json", "--weights", make_weights())
    assert (code, err) == (0, "")
    for line in out.splitlines():
        found = json.loads(line)
        assert list(found)[:4] == ["video", "duration_s", "scores", "incidents"]
        assert len(found["incidents"]) == 1
    assert len(out.splitlines()) == 2


def test_score_tells_people_what_it_found(run: Run, brawl_video: Path, make_weights: Any) -> None:
    code, out, _ = run("score", brawl_video, "--weights", make_weights())
    assert code == 0
    assert f"{brawl_video}: 12.0 s, peak 1.00, violence" in out


@pytest.mark.slow
def test_one_broken_video_costs_the_others_nothing(
    run: Run, tmp_path: Path, brawl_video: Path, make_weights: Any
) -> None:
    broken, plot = tmp_path / "broken.mp4", tmp_path / "out.png"
    broken.write_text("no video")
    code, out, err = run(
        *("score", brawl_video, broken, tmp_path / "absent.mp4", brawl_video),
        *("--json", "--plot", plot, "--weights", make_weights()),
    )
    assert code == 3
    assert len(out.splitlines()) == 2
    assert len(err.splitlines()) == 2
    assert str(broken) in err
    assert "absent.mp4" in err
    assert cv2.imread(str(plot)) is not None


@pytest.mark.slow
@pytest.mark.parametrize("how", [[], ["--json"]])
def test_a_video_of_which_nothing_was_looked_at_is_not_told_as_a_quiet_one(
    run: Run, brawl_video: Path, make_weights: Any, tmp_path: Path, how: list[str]
) -> None:
    slow = make_clip(tmp_path / "slow.mp4", fps=1, seconds=8)
    code, out, err = run("score", slow, brawl_video, *how, "--weights", make_weights())
    assert code == 3
    assert f"{slow}: nothing was looked at: it holds 1.0 pictures a second, and at least 4" in err
    assert "no incident" not in out
    assert str(brawl_video) in out


@pytest.mark.slow
def test_score_draws_what_it_is_asked_for(
    run: Run, tmp_path: Path, brawl_video: Path, make_weights: Any
) -> None:
    video, plot = tmp_path / "out.mp4", tmp_path / "out.png"
    code, _, err = run(
        "score", brawl_video, "--annotate", video, "--plot", plot, "--weights", make_weights()
    )
    assert (code, err) == (0, "")
    with av.open(str(video)) as container:
        assert next(container.decode(video=0)).width == 320
    assert cv2.imread(str(plot)) is not None


def test_score_refuses_to_write_two_videos_into_one(
    run: Run, tmp_path: Path, brawl_video: Path, make_weights: Any
) -> None:
    out = tmp_path / "out.mp4"
    code, _, err = run(
        "score", brawl_video, brawl_video, "--annotate", out, "--weights", make_weights()
    )
    assert code != 0
    assert "--annotate" in err
    assert not out.exists()


def test_wrong_weights_exit_4(run: Run, tmp_path: Path, brawl_video: Path) -> None:
    code, out, err = run("score", brawl_video, "--weights", tmp_path / "none.json")
    assert (code, out) == (4, "")
    assert err.startswith("jikimi: ")
    assert len(err.splitlines()) == 1


# --- check


def test_the_schema_is_a_valid_one_that_the_examples_meet(run: Run) -> None:
    code, out, _ = run("check", "--schema")
    assert code == 0
    schema = json.loads(out)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    assert EXAMPLES
    for example in EXAMPLES:
        validator(schema).validate(yaml.safe_load(example.read_text()))
    with pytest.raises(jsonschema.ValidationError):
        validator(schema).validate({"camras": {}})


def test_check_shows_a_good_file_without_its_passwords(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "jikimi.yaml"
    file.write_text("cameras:\n  gate: rtsp://viewer:s3cret-word@192.0.2.1/stream1\n")
    code, out, err = run("check", file)
    assert (code, err) == (0, "")
    assert "good: 1 camera(s)" in out
    assert "gate" in out
    assert "s3cret" not in out


def test_check_names_what_is_wrong_and_exits_2(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "jikimi.yaml"
    file.write_text("cameras:\n  gate: rtsp://192.0.2.1/\nsinsk: {}\n")
    code, out, err = run("check", file)
    assert (code, out) == (2, "")
    assert f"{file}:3" in err
    assert "sinsk" in err
    assert run("check", tmp_path / "absent.yaml")[0] == 2


def test_check_without_a_file_takes_the_one_that_run_would(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("detector.cli.settings.SYSTEM_CONFIG", tmp_path / "no.yaml")
    assert run("check")[0] == 64
    (tmp_path / "jikimi.yaml").write_text("cameras: {gate: pattern://calm}\n")
    assert run("check")[1].startswith("jikimi.yaml: good: 1 camera(s)")


def test_a_file_without_cameras_is_no_reason_to_watch_the_demo(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "jikimi.yaml"
    file.write_text("site: harbour\n")
    code, out, err = run("run", "--config", file, "--for", 1)
    assert (code, out) == (2, "")
    assert str(file) in err
    assert "cameras" in err
