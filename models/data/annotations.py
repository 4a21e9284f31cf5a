"""When something happens in videos, as annotators write it down: a CSV file, or XML.

XML is the form that Korea's certification of intelligent CCTV and i-LIDS use: a `Filename`, and
for each `Alarm` its `StartTime`, `AlarmDuration` and `AlarmDescription`.
"""

from __future__ import annotations

import csv
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.errors import ConfigError

COLUMNS = ("video", "start", "end", "label")

SAME = {
    "fight": "violence",
    "fighting": "violence",
    "싸움": "violence",
    "falldown": "fall",
    "collapse": "fall",
    "collapsing": "fall",
    "쓰러짐": "fall",
}
"""What annotators call our labels, in small letters; anything else is a label of its own."""

_TIME = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True, order=True)
class Annotated:
    """Something that happens in the file called `video`, in seconds from its beginning.

    `label`: ours where we have one, else the annotators'; `violence` where they name none.
    """

    video: str
    start_s: float
    end_s: float
    label: str


def read_annotations(path: Path) -> list[Annotated]:
    """Those of a CSV file, an XML file, or a folder of XML files; raises ConfigError."""
    if path.is_dir():
        files = sorted(path.glob("*.xml"))
        if not files:
            raise ConfigError(f"{path}: holds no .xml file")
        return sorted(one for file in files for one in _xml(file))
    try:
        found = _xml(path) if path.suffix.lower() == ".xml" else _csv(path)
        return sorted(found)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else "is no text in UTF-8"
        raise ConfigError(f"{path}: cannot be read ({why})") from None


def seconds(text: str) -> float | None:
    """`95`, `1:35` or `00:01:35.5` as seconds; None where it is no time."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, rest = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest)


def _csv(path: Path) -> Iterator[Annotated]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (rows.fieldnames or [])]:
            raise ConfigError(
                f"{path}:1: has no column {missing[0]}; the first line is {','.join(COLUMNS)}"
            )
        for row in rows:
            where = f"{path}:{rows.line_num}"
            yield _event(where, *((row[name] or "").strip() for name in COLUMNS))


def _xml(path: Path) -> list[Annotated]:
    try:
        root = ET.parse(path).getroot()  # noqa: S314 - the user's own file
    except (OSError, ET.ParseError) as error:
        raise ConfigError(f"{path}: cannot be read as XML ({error})") from None
    libraries = list(root.iter("Library")) or [root]
    found = []
    for library in libraries:
        video = (library.findtext(".//Filename") or "").strip()
        if not video:
            raise ConfigError(f"{path}: names no video; there is no element Filename")
        for number, alarm in enumerate(library.iter("Alarm"), 1):
            where = f"{path}: alarm {number} of {video}"
            start = (alarm.findtext("StartTime") or "").strip()
            length = (alarm.findtext("AlarmDuration") or "").strip()
            label = (alarm.findtext("AlarmDescription") or "").strip()
            start_s, length_s = seconds(start), seconds(length)
            if start_s is None or length_s is None:
                raise ConfigError(
                    f"{where}: StartTime {start!r} and AlarmDuration {length!r} are not both times "
                    "as 00:01:35"
                )
            found.append(_event(where, video, str(start_s), str(start_s + length_s), label))
    return found


def _event(where: str, video: str, start: str, end: str, label: str) -> Annotated:
    start_s, end_s = seconds(start), seconds(end)
    for name, text, value in (("start", start, start_s), ("end", end, end_s)):
        if value is None:
            raise ConfigError(f"{where}: {name} {text!r} is no time; write 95, 1:35 or 00:01:35")
    if not video:
        raise ConfigError(f"{where}: names no video")
    assert start_s is not None
    assert end_s is not None
    if end_s < start_s:
        raise ConfigError(f"{where}: ends at {end}, before it starts at {start}")
    return Annotated(video, start_s, end_s, SAME.get(label.lower(), label.lower()) or "violence")
