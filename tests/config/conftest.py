"""Stand-ins for the sinks' options, and secrets that do not outlive a test."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel, Field, FilePath, SecretStr

from config import secrets
from config.settings import Section


class Tls(Section):
    ca: FilePath | None = None


class MqttOptions(Section):
    host: str
    port: int = Field(default=1883, ge=1, le=65535)
    username: str | None = None
    password: SecretStr | None = None
    tls: Tls | None = None


class RelayOptions(Section):
    pin: int | str


class LogOptions(Section):
    pass


class WebhookOptions(Section):
    url: SecretStr
    headers: dict[str, SecretStr] = Field(default={})


@pytest.fixture(scope="session")
def sink_options() -> Mapping[str, type[BaseModel]]:
    return {
        "floodlight": RelayOptions,
        "log": LogOptions,
        "mqtt": MqttOptions,
        "webhook": WebhookOptions,
    }


@pytest.fixture
def examples() -> Path:
    return Path(__file__).parents[2] / "config/examples"


@pytest.fixture(autouse=True)
def _forget_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_known", ())
