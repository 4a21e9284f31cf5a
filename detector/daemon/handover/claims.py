"""By which claims this box watches its cameras, where it is one of a cluster.

The box's host writes them beside the configuration; a box by itself has no such file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from structlog import get_logger

from alerts.storage.files import START_S, within, write_whole
from detector.types import Claim

CLAIMS = "claims.json"
"""In the state directory."""

log = get_logger()


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    box: str
    epochs: dict[str, int] = Field(default={})
    sites: dict[str, str] = Field(default={})


class Claims:
    """Read at the start and with every reload; one whose camera is gone is kept for its closing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_camera: dict[str, Claim] = {}
        self.box: str | None = None
        """The name of this box; None where it is in no cluster."""
        self._sites: dict[str, str] = {}
        self.elsewhere: frozenset[str] = frozenset()
        """Cameras of the configuration that are not this box's turn, nor were moved to another site
        just now: what this box has shown of them where they were is nobody else's."""
        self.read()

    def read(self) -> None:
        """Take over what the file says now; one that cannot be read changes nothing."""
        try:
            found = _File.model_validate_json(within(START_S, self._path.read_bytes))
        except FileNotFoundError:
            return
        except (OSError, ValidationError) as error:
            log.error("claims cannot be read, they stay", path=str(self._path), reason=str(error))  # noqa: TRY400 - the reason says it all
            return
        self.box = found.box
        claims = {camera: Claim(found.box, epoch) for camera, epoch in found.epochs.items()}
        self._by_camera = self._by_camera | claims
        self.elsewhere = frozenset(
            name
            for name, site in found.sites.items()
            if name not in claims and self._sites.get(name, site) == site
        )
        self._sites = found.sites

    def of(self, camera: str) -> Claim | None:
        """By which `camera` is watched; None where this box is in no cluster."""
        return self._by_camera.get(camera)


def write_claims(
    path: Path, box: str, epochs: Mapping[str, int], sites: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Have the daemon find at its next reload that `box` watches by these epochs, by camera.

    `sites`: of all cameras of the configuration, as `configuration.sites_of` has them.
    """
    told = {"box": box, "epochs": dict(epochs), "sites": dict(sites)}
    write_whole(path, json.dumps(told).encode())
