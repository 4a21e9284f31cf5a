"""Whatever stands in the file: settings, or a ConfigError without the password in it."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from config import secrets
from config.errors import ConfigError
from config.load import load_settings

PASSWORD = "hunter22secret"
WORDS = """
    site station state_dir weights engine capture detection cameras sinks http log name url user
    password
    transport read_timeout_s open_threshold close_threshold watch location text latitude type host
    port route hours start sites labels when expiry_s pin tls ca headers file env credential
    gate police light
"""
KEYS = st.sampled_from(WORDS.split())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 100_000),
    st.floats(),
    st.sampled_from(
        [f"rtsp://u:{PASSWORD}@h/s", f"mqtts://{PASSWORD}@h", "mqtt", "floodlight", "22:00"]
    ),
    st.text(max_size=5),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=25,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "site.yaml"


FIXTURES_ARE_FINE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.slow
@FIXTURES_ARE_FINE
@given(tree=st.dictionaries(KEYS, TREES, max_size=6))
def test_any_tree(tree: object, path: Path, sink_options: Mapping[str, type[BaseModel]]) -> None:
    load(yaml.safe_dump(tree), path, sink_options)


@FIXTURES_ARE_FINE
@given(
    text=st.lists(
        st.one_of(
            KEYS,
            st.sampled_from(["\n", "\n  ", ": ", "- ", "{", "}", "[", "]", "'", '"', "1"]),
            st.text(max_size=3),
            st.sampled_from(["&a ", "*a ", "!x ", "| ", "\t", "# ", "%", "@"]),
        ),
        max_size=30,
    ).map("".join)
)
def test_any_text(text: str, path: Path, sink_options: Mapping[str, type[BaseModel]]) -> None:
    load(text, path, sink_options)


def load(text: str, path: Path, sink_options: Mapping[str, type[BaseModel]]) -> None:
    path.write_text(text, "utf-8", errors="replace")
    said = ""
    # what an earlier example registered would be scrubbed here, and hide a leak
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "_known", ())
        try:
            load_settings(path, {}, [], sink_options)
        except ConfigError as error:
            said = str(error)
    assert PASSWORD not in said
    assert all(line.startswith(str(path)) for line in said.splitlines())
