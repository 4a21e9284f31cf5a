"""The JSON schema agrees with what the loader accepts."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from config.schema import settings_schema

WRONG = Path(__file__).parent / "wrong"

# What a schema sees too. The rest is wrong as YAML, or needs more than the file to be judged.
SEEN = [
    "account_role",
    "account_without_password",
    "camera_list",
    "camera_name",
    "camera_without_url",
    "latitude",
    "location_as_text",
    "log_level",
    "negative_timeout",
    "only_text",
    "polygon_in_pixels",
    "polygon_of_two_corners",
    "port_too_high",
    "probability_in_percent",
    "route_no_list",
    "sink_option_missing",
    "sink_option_unknown",
    "sink_port",
    "sink_without_type",
    "hours_without_minutes",
    "timeout_in_words",
    "unknown_camera_key",
    "unknown_key",
    "unknown_sink_type",
    "url_in_site",
    "wrong_transport",
]


@pytest.fixture(scope="module")
def schema(sink_options: Mapping[str, type[BaseModel]]) -> Draft202012Validator:
    document = settings_schema(sink_options)
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


@pytest.mark.parametrize("name", ["minimal", "city"])
def test_accepts_the_examples(name: str, examples: Path) -> None:
    from alerts.registry import sink_options  # the examples are to fit the real sinks

    schema = Draft202012Validator(settings_schema(sink_options()))
    schema.validate(yaml.safe_load((examples / f"{name}.yaml").read_text("utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        "cameras: {gate: {file: secrets/gate}}",
        "cameras:\nsinks:\nstation:\n",
        "sinks: {light: {type: floodlight, pin: BOARD11, route: {hours: '22:00-06:00'}}}",
        "sinks: {l: {type: floodlight, pin: 17, route: {hours: {start: '22:00', end: '6:00'}}}}",
        "sinks: {hook: {type: webhook, url: {env: HOOK}, headers: {Authorization: {env: TOKEN}}}}",
        "sinks: {police: {type: mqtt, host: {env: BROKER}, tls: {ca: {env: CA}}}}",
    ],
)
def test_accepts_every_form(text: str, schema: Draft202012Validator) -> None:
    schema.validate(yaml.safe_load(text))


@pytest.mark.parametrize("name", SEEN)
def test_refuses_wrong_files(name: str, schema: Draft202012Validator) -> None:
    assert not schema.is_valid(yaml.safe_load((WRONG / f"{name}.yaml").read_text("utf-8")))
