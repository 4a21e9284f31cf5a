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
        self._elsewhere: frozenset[str] = frozenset()
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
            for topic, payload in self._discovery(camera, site).items():
                self._board.show_lasting(topic, payload)

    def is_shown(self, camera: str, site: str) -> bool:
        """Whether it is configured, as far as is known here."""
        return (camera, site) in self._shown

    def is_retained(self, alert: Alert) -> bool:
        """Whether its ONVIF event is to stay on the broker.

        Not of a camera that was removed; nor a late one of another box's camera, which may have
        said something newer.
        """
        if alert.camera in self._elsewhere:
            return not alert.late
        return (alert.camera, alert.site) not in self._forgotten

    def delivered(self, alert: Alert) -> None:
        """Show what has changed by an alert that the broker has got."""
        camera, site = alert.camera, alert.site
        if camera in self._elsewhere or (camera, site) in self._forgotten:
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
        self._forgotten.add((camera, site))
        for topic in self._discovery(camera, site):
            self._board.show_lasting(topic, CLEARED)
        for topic in self._taken_off(camera, site):
            self._board.show(topic, CLEARED)

    def watched_elsewhere(self, cameras: frozenset[str]) -> None:
        """Leave what is shown of these to the boxes that watch them by now."""
        self._elsewhere = cameras
        for camera, site in self._shown | self._alarms.keys() | self._events.keys():
            if camera in cameras:
                for topic in (*self._discovery(camera, site), *self._taken_off(camera, site)):
                    self._board.leave(topic)

    def _taken_off(self, camera: str, site: str) -> list[str]:
        """Keep nothing of it any more; the topics where something is shown, without discovery."""
        self._shown.discard((camera, site))
        self._alarms.pop((camera, site), None)
        topics = ["state"]
        if self._has_pictures:
            topics += ["snapshot"]
        if self._options.homeassistant is not None:
            topics += ["alarm"]
        events = self._events.pop((camera, site), set())
        return [*(camera_topic(camera, site, topic) for topic in topics), *sorted(events)]

    def _discovery(self, camera: str, site: str) -> dict[str, bytes]:
        """What Home Assistant is told of it, by topic; nothing where it is told nothing."""
        told = self._options.homeassistant
        return discovery(self._options, told.prefix, camera, site) if told else {}

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
