"""What is shown of each camera beside its alerts, by topic: state, alarm, snapshot, discovery."""

from __future__ import annotations

import json

from alerts.forms.onvif import onvif_event
from alerts.message import Alert, CameraNotice
from alerts.sinks.mqtt.alarm import Alarm
from alerts.sinks.mqtt.board import CLEARED, Board
from alerts.sinks.mqtt.homeassistant import discovery
from alerts.sinks.mqtt.options import MqttOptions, camera_topic, onvif_topic


def event_of(alert: Alert, options: MqttOptions) -> tuple[str, bytes] | None:
    """Topic and payload of the ONVIF event to publish with `alert`; None where none is."""
    event = onvif_event(alert) if options.onvif_events else None
    return event and (onvif_topic(alert.site, event[0]), event[1])


class ShownCameras:
    """Puts on `board` what is shown of each camera. Not thread-safe: its owner locks."""

    def __init__(self, options: MqttOptions, board: Board) -> None:
        self._options = options
        self._board = board
        self._has_pictures = options.snapshot or options.homeassistant is not None
        self._shown: set[tuple[str, str]] = set()
        self._forgotten: set[tuple[str, str]] = set()
        self._alarms: dict[tuple[str, str], Alarm] = {}
        self._events: dict[tuple[str, str], set[str]] = {}

    def show(self, notice: CameraNotice) -> None:
        """Show the state of a camera; with the first one, that it is there."""
        camera, site = notice.camera, notice.site
        is_new = (camera, site) not in self._shown
        self._shown.add((camera, site))
        self._forgotten.discard((camera, site))
        self._board.show(camera_topic(camera, site, "state"), _state(notice))
        if is_new and self._has_pictures:
            self._board.own(camera_topic(camera, site, "snapshot"))
        if self._options.homeassistant is None:
            return
        self._show_alarm(self._alarm(camera, site), camera, site)
        if is_new:
            prefix = self._options.homeassistant.prefix
            for topic, payload in discovery(self._options, prefix, camera, site).items():
                self._board.show_lasting(topic, payload)

    def is_shown(self, camera: str, site: str) -> bool:
        """Whether it is configured, as far as is known here."""
        return (camera, site) in self._shown

    def is_forgotten(self, alert: Alert) -> bool:
        """Whether its camera was removed: nothing about it is to stay on the broker."""
        return (alert.camera, alert.site) in self._forgotten

    def delivered(self, alert: Alert) -> None:
        """Show what has changed by an alert that the broker has got."""
        camera, site = alert.camera, alert.site
        if self.is_forgotten(alert):
            return
        if event := event_of(alert, self._options):
            self._events.setdefault((camera, site), set()).add(event[0])
            self._board.keep(*event)
        if self._options.homeassistant is not None:
            alarm = self._alarm(camera, site)
            before = alarm.payload()
            alarm.follow(alert)
            if alarm.payload() != before:
                self._show_alarm(alarm, camera, site)
        if self._has_pictures and alert.image is not None and not alert.late:
            self._board.show(camera_topic(camera, site, "snapshot"), alert.image)

    def forget(self, camera: str, site: str) -> None:
        """Show nothing of it any more."""
        options = self._options
        self._shown.discard((camera, site))
        self._forgotten.add((camera, site))
        self._alarms.pop((camera, site), None)
        topics = ["state"]
        if self._has_pictures:
            topics += ["snapshot"]
        if options.homeassistant is not None:
            topics += ["alarm"]
            for topic in discovery(options, options.homeassistant.prefix, camera, site):
                self._board.show_lasting(topic, CLEARED)
        for topic in topics:
            self._board.show(camera_topic(camera, site, topic), CLEARED)
        for topic in self._events.pop((camera, site), ()):
            self._board.show(topic, CLEARED)

    def _alarm(self, camera: str, site: str) -> Alarm:
        return self._alarms.setdefault((camera, site), Alarm(camera, site))

    def _show_alarm(self, alarm: Alarm, camera: str, site: str) -> None:
        self._board.show(camera_topic(camera, site, "alarm"), alarm.payload())


def _state(notice: CameraNotice) -> bytes:
    """The payload of a camera's state."""
    until = notice.silenced_until
    state = {
        "schema_version": 1,
        "camera": notice.camera,
        "site": notice.site,
        "state": notice.state,
        "since": notice.since.isoformat().replace("+00:00", "Z"),
        "silenced_until": until and until.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    return json.dumps(state).encode()
