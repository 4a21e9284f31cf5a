"""What the configuration says of a syslog receiver."""

from __future__ import annotations

import time
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from alerts.sink import Problem
from alerts.sinks.certificates import TlsOptions, tls_problems
from alerts.sinks.syslog.message import Facility
from config.hosts import Host
from config.settings import Section

PORTS = {"tls": 6514, "tcp": 514, "udp": 514}
"""RFC 5425, 4.1, and RFC 5426, 3.3; for plain TCP none is assigned, and 514 is usual (RFC 6587)."""


class SyslogOptions(Section):
    """Which receiver, and how."""

    image: ClassVar[bool] = False
    """Never with a picture: so none is sent behind an alert, either."""

    host: Host
    port: int | None = Field(
        default=None, ge=1, le=65535, description="left out: 6514 with tls, else 514"
    )
    protocol: Literal["tls", "tcp", "udp"] = "tls"
    tls: TlsOptions | None = Field(
        default=None, description="left out: the system's certificate authorities"
    )
    facility: Facility = "local0"
    timeout_s: float = Field(
        default=5.0, gt=0, le=60, description="to connect, and again to take the message"
    )

    @model_validator(mode="after")
    def _tls_with_tls(self) -> SyslogOptions:
        if self.tls is not None and self.protocol != "tls":
            raise ValueError("tls needs protocol: tls beside it")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or PORTS[self.protocol]

    def problems(self) -> list[Problem]:
        """What is wrong with the files in `tls`."""
        tls = self.tls
        return tls_problems(tls.ca, tls.certificate, tls.key, time.time()) if tls else []
