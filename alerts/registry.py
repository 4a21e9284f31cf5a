"""Which sink types there are: the entry points of the group `jikimi.sinks`.

Any package may add one; one that is broken affects no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, model_validator

from config.errors import ConfigError
from config.settings import SinkSettings

if TYPE_CHECKING:  # half of the start of `jikimi --help`
    from alerts.sink import Sink

GROUP = "jikimi.sinks"

_REQUIRED = ("Options", "default_expiry_s", "phases", "start", "deliver", "close")


def sink_type(name: str) -> type[Sink]:
    """The sink type called `name`; raises ConfigError where it is unknown or broken."""
    entries = {entry.name: entry for entry in _entries()}
    if name not in entries:
        raise ConfigError(f"sink type {name!r} does not exist; there are {', '.join(entries)}")
    return _load(entries[name])


def sink_options() -> dict[str, type[BaseModel]]:
    """The options model of every sink type, by name, for validating the configuration.

    A broken type is there too: its model accepts nothing and says why, so that only a
    configuration that uses it is refused.
    """
    options: dict[str, type[BaseModel]] = {}
    for entry in _entries():
        try:
            options[entry.name] = _load(entry).Options
        except ConfigError as error:
            options[entry.name] = _refusing(str(error))
    return options


def fill_site(sinks: Iterable[SinkSettings], site: str) -> list[SinkSettings]:
    """`sinks` with the global `site` in each whose options have a `site` left unset."""
    return [_with_site(sink, site) for sink in sinks]


def fill_box(sinks: Iterable[SinkSettings], box: str | None) -> list[SinkSettings]:
    """`sinks` as they are on `box` of a cluster; None: there is none."""
    return [sink if box is None else _in_box(sink, box) for sink in sinks]


def _in_box(sink: SinkSettings, box: str) -> SinkSettings:
    in_box = getattr(sink.options, "in_box", None)
    return sink.model_copy(update={"options": in_box(box)}) if in_box else sink


def _with_site(sink: SinkSettings, site: str) -> SinkSettings:
    if getattr(sink.options, "site", site) is not None:
        return sink
    return sink.model_copy(update={"options": sink.options.model_copy(update={"site": site})})


@cache  # 10 ms
def _entries() -> Sequence[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda entry: entry.name)


@cache
def _load(entry: EntryPoint) -> type[Sink]:
    package = entry.dist.name if entry.dist else entry.value
    try:
        loaded: Any = entry.load()
    except Exception as error:  # whatever somebody else's module raises on import
        raise ConfigError(
            f"sink type {entry.name!r} of package {package} cannot be loaded "
            f"({type(error).__name__}: {error}); repair or uninstall that package"
        ) from error
    if missing := [name for name in _REQUIRED if not hasattr(loaded, name)]:
        raise ConfigError(
            f"sink type {entry.name!r} of package {package} is no sink: "
            f"{entry.value} lacks {', '.join(missing)}; repair or uninstall that package"
        )
    sink: type[Sink] = loaded
    return sink


def _refusing(reason: str) -> type[BaseModel]:
    class BrokenSinkOptions(BaseModel):
        @model_validator(mode="before")
        @classmethod
        def _refuse(cls, _value: Any) -> Any:
            raise ValueError(reason)

    return BrokenSinkOptions
