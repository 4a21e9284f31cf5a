"""A box's part of the configuration says of its cameras just what the whole says."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from detector.cluster.configuration import cameras_of, read_settings, share_of, sites_of

CITY = """\
site: north
state_dir: /var/lib/head
capture: {transport: udp, offline_grace_s: 1e2}
detection: &strict
  open_threshold: 0.8
cameras:
  gate: rtsp://admin:Kirschbaum7@10.0.0.1/1
  yard:
    url: "rtsp://10.0.0.2/1"
    site: south
    detection: *strict
  "0123": rtsp://10.0.0.3/1
sinks:
  police: {type: log, route: {hours: 22:00-06:00}}
evidence: off
"""


@pytest.mark.parametrize("names", [{"gate"}, {"yard", "0123"}, {"gate", "yard", "0123"}])
def test_a_share_has_the_cameras_asked_for_and_all_else(names: set[str]) -> None:
    whole, share = read_settings(CITY), read_settings(share_of(CITY, names))
    assert share.cameras == [camera for camera in whole.cameras if camera.name in names]
    but = {"cameras", "state_dir"}
    assert share.model_dump(exclude=but) == whole.model_dump(exclude=but)


def test_a_share_leaves_each_box_its_own_state_directory() -> None:
    assert read_settings(share_of(CITY, {"gate"})).state_dir != Path("/var/lib/head")


def test_references_are_handed_on_for_the_box_to_read() -> None:
    text = "cameras:\n  gate: {url: rtsp://h/1, user: u, password: {env: GATE_PASSWORD}}\n"
    assert "env: GATE_PASSWORD" in share_of(text, {"gate"})


def test_cameras_are_known_by_name_and_site() -> None:
    found = {camera.name: camera.site for camera in cameras_of(read_settings(CITY))}
    assert found == {"gate": "north", "yard": "south", "0123": "north"}


def test_the_site_of_each_camera_is_known_as_it_is_written() -> None:
    assert sites_of(CITY) == {"gate": "north", "yard": "south", "0123": "north"}
    text = "cameras: {gate: pattern://calm, yard: {url: pattern://calm, site: {env: SITE}}}"
    assert sites_of(text) == {"gate": "", "yard": "{env: SITE}"}
    assert sites_of("sinks: {}") == sites_of("cameras:") == {}


def test_a_wrong_configuration_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cluster\.yaml:2: cameras\.gate"):
        read_settings("cameras:\n  gate: nowhere://\n")
