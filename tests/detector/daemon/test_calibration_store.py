"""What was learnt outlives a restart, and nothing that does not belong to it."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from alerts.deadline import Deadline
from config.settings import CameraSettings, DetectionSettings
from config.urls import StreamUrl
from detector.daemon import calibration_store
from detector.daemon.calibration_store import CalibrationSaver, CalibrationStore
from detector.incidents.calibration import DAY_H, LEVELS, Alarm, Day, Learnt
from detector.inference.weights import (
    Classifier,
    Rules,
    SecondLookPart,
    SecondLookThresholds,
    WeightsFile,
)

URL = "rtsp://viewer:s3cret-word@192.0.2.1/stream1"
LEARNT = {"violence": Learnt((Day(3.5, np.arange(len(LEVELS))[::-1]),), 0.61)}


def camera(url: str = URL, **detection: Any) -> CameraSettings:
    return CameraSettings(
        name="gate",
        url=StreamUrl.parse(url),
        site="harbour",
        detection=DetectionSettings(**detection),
    )


def second_look(open_threshold: float, seen: tuple[str, ...] = ()) -> SecondLookPart:
    """The sidecar's section."""
    file = WeightsFile(file="second", sha256="0" * 64)
    rules = Rules(
        open_threshold=open_threshold, close_threshold=0.5, min_duration_s=0, merge_gap_s=10
    )
    return SecondLookPart(
        label="violence",
        network=file,
        head=file,
        window={},
        rules=SecondLookThresholds(candidate=0.3, incident=rules),
        seen=list(seen),
        seen_sha256=[],
        clip_sha256=[],
        licence="",
        licence_file="",
        source="",
    )


@pytest.fixture
def store(tmp_path: Path, classifier: Classifier) -> CalibrationStore:
    return CalibrationStore(tmp_path, classifier.sidecar)


def same(one: dict[str, Learnt], other: dict[str, Learnt]) -> bool:
    """Whether both say the same of the same labels."""
    return one.keys() == other.keys() and all(
        own.level == other[label].level
        and [day.hours for day in own.days] == [day.hours for day in other[label].days]
        and all(
            (a.openings == b.openings).all() and a.alarms == b.alarms
            for a, b in zip(own.days, other[label].days, strict=True)
        )
        for label, own in one.items()
    )


days = st.builds(
    Day,
    st.floats(0, DAY_H),
    st.lists(st.integers(0, 10**6), min_size=len(LEVELS), max_size=len(LEVELS)).map(np.array),
    st.dictionaries(
        st.uuids(), st.builds(Alarm, st.floats(-9, 9), st.none() | st.booleans()), max_size=3
    ),
)
labels = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.builds(Learnt, st.lists(days, min_size=1, max_size=3).map(tuple), st.floats(-5, 5)),
    max_size=2,
)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(labels)
def test_what_was_learnt_comes_back(
    store: CalibrationStore, classifier: Classifier, learnt: dict[str, Learnt]
) -> None:
    store.save(camera(), learnt)
    store.write()
    again = CalibrationStore(store._folder, classifier.sidecar)
    assert same(again.load(camera()), learnt)


def test_what_the_release_before_wrote_is_gone_on_from_and_it_reads_ours(
    store: CalibrationStore, classifier: Classifier
) -> None:
    store.save(camera(), LEARNT)
    store.write()
    path = store._folder / "gate.json"
    written = json.loads(path.read_text())
    for day in written["labels"]["violence"]["days"]:
        assert day.pop("alarms") == {}
    path.write_text(json.dumps(written))
    assert same(CalibrationStore(store._folder, classifier.sidecar).load(camera()), LEARNT)


def test_a_camera_never_seen_has_learnt_nothing(store: CalibrationStore) -> None:
    assert store.load(camera()) == {}


def test_a_new_password_is_no_new_camera(store: CalibrationStore, tmp_path: Path) -> None:
    store.save(camera(), LEARNT)
    store.write()
    assert same(store.load(camera(URL.replace("s3cret-word", "another-word"))), LEARNT)
    assert "word" not in (tmp_path / "gate.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["gate.json"]


@pytest.mark.parametrize(
    "moved",
    [
        camera("rtsp://viewer:s3cret-word@192.0.2.2/stream1"),
        camera(watch=[[(0, 0), (1, 0), (1, 1)]]),
        camera(ignore=[[(0, 0), (1, 0), (1, 1)]]),
        camera(second_look=False),
    ],
    ids=["address", "watch", "ignore", "second look"],
)
def test_a_camera_that_looks_elsewhere_starts_afresh(
    store: CalibrationStore, moved: CameraSettings
) -> None:
    store.save(camera(), LEARNT)
    with capture_logs() as logs:
        assert store.load(moved) == {}
    assert logs[0]["camera"] == "gate"


def test_other_weights_start_afresh(
    store: CalibrationStore, tmp_path: Path, classifier: Classifier
) -> None:
    store.save(camera(), LEARNT)
    store.write()
    sidecar = classifier.sidecar
    head = sidecar.head.model_copy(update={"sha256": "0" * 64})
    trained = sidecar.model_copy(update={"head": head})
    assert CalibrationStore(tmp_path, trained).load(camera()) == {}
    looking = sidecar.model_copy(update={"second_look": second_look(0.8)})
    assert CalibrationStore(tmp_path, looking).load(camera()) == {}
    renamed = sidecar.model_copy(update={"figures": {"auc": 0.9}})
    assert same(CalibrationStore(tmp_path, renamed).load(camera()), LEARNT)


def test_another_second_look_starts_afresh_but_not_what_is_only_said_of_it(
    tmp_path: Path, classifier: Classifier
) -> None:
    def store_with(look: SecondLookPart) -> CalibrationStore:
        sidecar = classifier.sidecar.model_copy(update={"second_look": look})
        return CalibrationStore(tmp_path, sidecar)

    store = store_with(second_look(0.8))
    store.save(camera(), LEARNT)
    store.write()
    assert store_with(second_look(0.7)).load(camera()) == {}
    assert same(store_with(second_look(0.8, seen=("city",))).load(camera()), LEARNT)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "\0" * 100,
        lambda text: text.replace("3.5", "-3.5"),
        lambda text: text.replace("0.61", "NaN"),
        lambda text: text.replace('"format":1', '"format":2'),
        lambda text: text.replace("63,62,", "63,"),
    ],
    ids=["half", "empty", "zeros", "negative", "no number", "format", "short"],
)
def test_a_damaged_file_is_named_set_aside_and_learning_begins_again(
    store: CalibrationStore, tmp_path: Path, classifier: Classifier, damage: Any
) -> None:
    store.save(camera(), LEARNT)
    store.write()
    path = tmp_path / "gate.json"
    path.write_text(damage(path.read_text()))
    with capture_logs() as logs:
        store = CalibrationStore(tmp_path, classifier.sidecar)
    assert store.load(camera()) == {}
    assert logs[0]["log_level"] == "error"
    assert logs[0]["file"] == str(path)
    assert Path(logs[0]["kept_as"]).is_file()
    store.save(camera(), LEARNT)
    store.write()
    assert same(CalibrationStore(tmp_path, classifier.sidecar).load(camera()), LEARNT)


def test_a_disk_that_refuses_is_named_and_gets_it_once_it_takes_something(
    store: CalibrationStore, tmp_path: Path, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store.save(camera(), LEARNT)
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        with capture_logs() as logs:
            store.write()
    assert [(entry["log_level"], entry["reason"]) for entry in logs] == [
        ("error", "No space left on device")
    ]
    assert store.flush(0) == "No space left on device"
    store.write()
    assert store.flush(0) is None
    assert same(CalibrationStore(tmp_path, classifier.sidecar).load(camera()), LEARNT)


def test_a_file_that_was_never_read_is_not_written_over(
    tmp_path: Path, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration_store, "START_S", 0.05)
    answers = threading.Event()
    with monkeypatch.context() as disk:
        disk.setattr(CalibrationStore, "_read_all", lambda _: answers.wait(60))
        store = CalibrationStore(tmp_path, classifier.sidecar)  # the disk hangs
    answers.set()
    (tmp_path / "gate.json").write_text("two weeks")
    store.save(camera(), LEARNT)
    store.write()
    [aside] = tmp_path.glob("gate.json.damaged-*")
    assert aside.read_text() == "two weeks"


class Learner:
    """Counts how often it was saved."""

    def __init__(self) -> None:
        self.saved = threading.Semaphore(0)

    def save(self) -> None:
        self.saved.release()


def test_cameras_are_saved_now_and_then_and_at_the_end(
    store: CalibrationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration_store, "SAVE_EVERY_S", 0.01)
    learning = Learner()
    saver = CalibrationSaver(lambda: [learning], store)
    saver.start()
    assert learning.saved.acquire(timeout=10)
    assert learning.saved.acquire(timeout=10)
    saver.stop(Deadline.after(10))
    monkeypatch.setattr(calibration_store, "SAVE_EVERY_S", 3600)
    last = Learner()
    saver = CalibrationSaver(lambda: [last], store)
    saver.start()
    saver.stop(Deadline.after(10))
    assert last.saved.acquire(timeout=0)
