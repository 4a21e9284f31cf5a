"""How a certification counts, and what is read of annotations."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from models.data.annotations import Annotated, read_annotations
from models.evaluation.certifying import Window, counted, judged

KISA = """<?xml version="1.0" encoding="UTF-8"?>
<KisaLibraryIndex><Library>
<Scenario>Fight</Scenario>
<Header><Filename>C001.mp4</Filename><Duration>00:05:00</Duration></Header>
<Alarms>
<Alarm><StartTime>00:02:10</StartTime><AlarmDescription>Fighting</AlarmDescription>
<AlarmDuration>00:00:22</AlarmDuration></Alarm>
<Alarm><StartTime>00:03:00</StartTime><AlarmDescription>FallDown</AlarmDescription>
<AlarmDuration>00:00:05</AlarmDuration></Alarm>
</Alarms>
</Library></KisaLibraryIndex>
"""


def test_each_event_takes_one_alarm_and_every_other_alarm_is_false() -> None:
    events = [(10.0, 20.0), (40.0, 50.0), (70.0, 80.0)]
    found = judged(events, [5.0, 9.0, 12.0, 50.0, 90.0], Window())
    assert found.delays_s == (-1.0, 10.0)
    assert found.missed == ((70.0, 80.0),)
    assert found.repeated == (12.0,)
    assert found.false == (5.0, 90.0)
    total = counted([found, judged([], [3.0], Window())])
    assert (total.found, total.missed, total.false) == (2, 1, 4)
    assert total.f1 == pytest.approx(2 * 2 / (2 * 2 + 1 + 4))
    assert (total.precision, total.recall) == (pytest.approx(2 / 6), pytest.approx(2 / 3))


@pytest.mark.parametrize(
    ("window", "alarm_s", "counts"),
    [
        (Window(), 7.9, False),
        (Window(), 8.0, True),
        (Window(), 20.0, True),
        (Window(), 20.1, False),
        (Window(early_s=0), 9.9, False),
        (Window(late_s=5), 15.0, True),
        (Window(late_s=5), 15.1, False),
        (Window(late_s=30), 40.0, True),
    ],
)
def test_the_tolerance_is_as_stated(window: Window, alarm_s: float, counts: bool) -> None:
    assert bool(judged([(10.0, 20.0)], [alarm_s], window).delays_s) is counts


def test_two_fights_close_together_are_two_alarms() -> None:
    events = [(10.0, 12.0), (13.0, 20.0)]
    assert judged(events, [11.5, 14.0], Window()).delays_s == (1.5, 1.0)
    assert judged(events, [11.5], Window()).missed == ((13.0, 20.0),)


def test_without_events_there_is_no_f1() -> None:
    assert counted([judged([], [], Window())]).f1 is None


def test_annotations_of_a_csv_file(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text(
        "label,video,start,end\nFighting,a.mp4,1:05,75\n,b.mp4,00:00:01.5,2\n쓰러짐,b.mp4,9,9\n",
        encoding="utf-8-sig",
    )
    assert read_annotations(path) == [
        Annotated("a.mp4", 65.0, 75.0, "violence"),
        Annotated("b.mp4", 1.5, 2.0, "violence"),
        Annotated("b.mp4", 9.0, 9.0, "fall"),
    ]


def test_annotations_of_xml_files_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "C001.xml").write_text(KISA)
    (tmp_path / "C002.xml").write_text(KISA.replace("C001", "C002"))
    assert read_annotations(tmp_path)[:2] == [
        Annotated("C001.mp4", 130.0, 152.0, "violence"),
        Annotated("C001.mp4", 180.0, 185.0, "fall"),
    ]
    assert {one.video for one in read_annotations(tmp_path)} == {"C001.mp4", "C002.mp4"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("e.csv", "video,start,label\n", "e.csv:1: has no column end"),
        ("e.csv", "video,start,end,label\na,soon,2,fight\n", "e.csv:2: start 'soon' is no time"),
        ("e.csv", "video,start,end,label\na,5,2,fight\n", "e.csv:2: ends at 2, before it starts"),
        ("e.csv", "video,start,end,label\n,1,2,fight\n", "e.csv:2: names no video"),
        ("e.csv", "video,start,end,label\na,1\n", "e.csv:2: end '' is no time"),
        ("e.csv", "\udcff\udcfe", "is no text in UTF-8"),
        ("e.xml", "<a>", "cannot be read as XML"),
        ("e.xml", "<a/>", "names no video"),
        ("e.xml", KISA.replace("00:02:10", "2 min"), "alarm 1 of C001.mp4: StartTime '2 min'"),
        ("none.csv", None, "cannot be read"),
    ],
)
def test_annotations_that_cannot_be_used(
    tmp_path: Path, name: str, text: str | None, said: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=said):
        read_annotations(path)
