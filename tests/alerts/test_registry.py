"""Sinks from entry points: ours, and other people's, whole or broken."""

from __future__ import annotations

import json

import jsonschema
import pytest
from alerting import PICTURE, make_alert, sink
from pydantic import ValidationError

from alerts.registry import fill_site, sink_options, sink_type
from alerts.schema import SCHEMA_PATH, alert_json, alert_schema
from config.errors import ConfigError

OURS = {"floodlight", "log", "mqtt", "recording", "siren", "webhook"}


def test_ours_are_there_and_each_says_what_it_takes() -> None:
    assert set(sink_options()) >= OURS
    for name in OURS:
        assert sink_options()[name] is sink_type(name).Options


def test_an_unknown_type_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"'mqqt' does not exist.*mqtt"):
        sink_type("mqqt")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("no_such_module:Sink", "ModuleNotFoundError"),
        ("alerting:NoSuchSink", "AttributeError"),
        ("alerting:make_alert", "lacks Options"),
    ],
)
def test_a_broken_one_spoils_only_itself(entries: dict[str, str], value: str, why: str) -> None:
    entries["broken"] = value
    assert set(sink_options()) >= OURS
    with pytest.raises(ConfigError, match=f"'broken'.*{why}"):
        sink_type("broken")
    with pytest.raises(ValidationError, match=f"'broken'.*{why}"):
        sink_options()["broken"].model_validate({"any": "thing"})


def test_the_global_site_is_filled_in_where_none_is_given() -> None:
    given = [
        sink("mqtt", "a", host="broker"),
        sink("mqtt", "b", host="broker", site="own"),
        sink("log"),
    ]
    filled = fill_site(given, "yard")
    assert [getattr(s.options, "site", None) for s in filled] == ["yard", "own", None]
    assert filled[1:] == given[1:]


def test_the_schema_on_disk_is_that_of_the_code() -> None:
    assert SCHEMA_PATH.read_text(encoding="utf-8") == alert_schema(), "run: python -m alerts.schema"


def test_every_kind_of_message_keeps_to_the_schema() -> None:
    schema = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for alert in (
        make_alert(image=PICTURE, station="north", links={"clip": "https://host/clip"}),
        make_alert(phase="camera_lost", label="camera", reason="no packet for 5 s", score=0),
        make_alert(phase="closed", exercise=True),
    ):
        for image in (True, False):
            jsonschema.validate(json.loads(alert_json(alert, image=image)), schema)
    described = schema["properties"]
    assert all("description" in described[field] for field in described), "document every field"


def test_pictures_are_base64_that_any_decoder_takes() -> None:
    picture = json.loads(alert_json(make_alert(image=PICTURE)))["image"]
    assert "\n" not in picture
    assert "-" not in picture
    assert "_" not in picture
