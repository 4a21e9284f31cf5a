"""The message as bytes, and its JSON schema (`alert.schema.json`, for whoever receives it)."""

from __future__ import annotations

import json
from pathlib import Path

from alerts.message import Alert

SCHEMA_PATH = Path(__file__).with_name("alert.schema.json")


def alert_json(alert: Alert, *, image: bool = True) -> bytes:
    """`alert` as UTF-8 JSON; without its picture where `image` is False."""
    return alert.model_dump_json(exclude=None if image else {"image"}).encode()


def alert_schema() -> str:
    """The JSON schema of schema version 1, as checked in."""
    schema = Alert.model_json_schema(mode="serialization")
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    SCHEMA_PATH.write_text(alert_schema(), encoding="utf-8")
