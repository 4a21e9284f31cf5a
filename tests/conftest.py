"""How every test runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from config import secrets

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(autouse=True)
def _own_secrets() -> Iterator[None]:
    """A process knows its secrets for good; a test's are not to be hidden from the next."""
    known = secrets._known
    yield
    secrets._known = known
