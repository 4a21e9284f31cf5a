"""Home Assistant finds the cameras by itself: MQTT discovery.

One retained configuration message an entity, on `{prefix}/{component}/{device}/{entity}/config`
(home-assistant.io/integrations/mqtt, "MQTT discovery"). Newer releases also take one message a
device; this form is read by every release, and stays.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

from alerts.sinks.mqtt.board import CLEARED
from alerts.sinks.mqtt.options import MqttOptions, camera_topic

SILENCE_FOR = "1h"
"""What the switch asks for: whoever forgets it has alarms again in time."""

# Cleared topics have no value_json, and Home Assistant logs an error at each unguarded use of it.
_ALARM = "{{ value_json.state if value_json is defined else 'OFF' }}"
_ATTRIBUTES = "{{ (value_json if value_json is defined else {}) | tojson }}"
_SCORE = "{{ value_json.score if value_json is defined else None }}"
_STATE = "{{ value_json.state if value_json is defined else None }}"
_SILENCED = "{{ 'ON' if value_json is defined and value_json.silenced_until else 'OFF' }}"


def birth_topic(prefix: str) -> str:
    """Where Home Assistant says `online` once it has started."""
    return f"{prefix}/status"


def discovery(options: MqttOptions, prefix: str, camera: str, site: str) -> dict[str, bytes]:
    """What makes `camera` a device there, by topic; `CLEARED` for what this sink does not offer."""
    # Names may hold any letters, topics of discovery only ASCII ones.
    device = "jikimi_" + hashlib.sha256(f"{site}/{camera}".encode()).hexdigest()[:12]
    shared = {
        "availability_topic": options.availability,
        "qos": 1,
        "device": {"identifiers": [device], "name": camera, "manufacturer": "Jikimi"},
        "origin": {"name": "Jikimi", "sw_version": version("jikimi")},
    }
    messages = {}
    for (component, entity), config in _entities(camera, site).items():
        is_offered = options.commands or "command_topic" not in config
        whole = {**config, **shared, "unique_id": f"{device}_{entity}"}
        payload = json.dumps(whole, ensure_ascii=False).encode() if is_offered else CLEARED
        messages[f"{prefix}/{component}/{device}/{entity}/config"] = payload
    return messages


def _entities(camera: str, site: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Each entity's own part, by component and name."""
    alarm = camera_topic(camera, site, "alarm")
    state = camera_topic(camera, site, "state")
    return {
        ("binary_sensor", "violence"): {
            "name": "Violence",
            "device_class": "safety",
            "state_topic": alarm,
            "value_template": _ALARM,
            "json_attributes_topic": alarm,
            "json_attributes_template": _ATTRIBUTES,
        },
        ("image", "snapshot"): {
            "name": "Snapshot",
            "image_topic": camera_topic(camera, site, "snapshot"),
            "content_type": "image/jpeg",
        },
        ("sensor", "score"): {
            "name": "Score",
            "icon": "mdi:gauge",
            "state_class": "measurement",
            "suggested_display_precision": 2,
            "state_topic": alarm,
            "value_template": _SCORE,
        },
        ("sensor", "state"): {
            "name": "State",
            "icon": "mdi:cctv",
            "entity_category": "diagnostic",
            "state_topic": state,
            "value_template": _STATE,
        },
        ("switch", "silence"): {
            "name": "Silence",
            "icon": "mdi:bell-off",
            "state_topic": state,
            "value_template": _SILENCED,
            "state_on": "ON",
            "state_off": "OFF",
            "command_topic": camera_topic(camera, site, "command/silence"),
            "payload_on": SILENCE_FOR,
            "payload_off": "off",
        },
        ("button", "drill"): {
            "name": "Drill",
            "icon": "mdi:bullhorn",
            "entity_category": "config",
            "command_topic": camera_topic(camera, site, "command/drill"),
        },
    }
