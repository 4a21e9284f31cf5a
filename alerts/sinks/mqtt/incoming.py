"""What comes in from a broker: commands, and that Home Assistant has started."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode
from structlog.typing import FilteringBoundLogger

from alerts.sinks.mqtt.commands import CommandRunner, command_filters
from alerts.sinks.mqtt.homeassistant import birth_topic
from alerts.sinks.mqtt.options import DEFAULT_SITE, MqttOptions
from alerts.sinks.mqtt.reasons import words


class Incoming:
    """Subscribes anew at each connection, for a session ends with it: old commands never come."""

    def __init__(
        self,
        options: MqttOptions,
        commands: CommandRunner,
        on_birth: Callable[[], None],
        log: FilteringBoundLogger,
    ) -> None:
        """`on_birth`: Home Assistant has started, and may have forgotten what is not retained."""
        self._has_commands = options.commands
        self._commands = commands
        self._on_birth = on_birth
        self._log = log
        self._birth = birth_topic(options.homeassistant.prefix) if options.homeassistant else None
        self._sites = {options.site or DEFAULT_SITE}

    def hear(self, client: Client) -> None:
        """Have `client` tell what it gets."""
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    def connected(self, client: Client) -> None:
        """Subscribe: the connection is a new one."""
        births = [self._birth] if self._birth else []
        self._subscribe(client, [*births, *self._filters(list(self._sites))])

    def add_site(self, site: str, client: Client | None) -> None:
        """There are cameras of `site`; `client`: the one connected now."""
        if site not in self._sites:
            self._sites.add(site)
            if client is not None:
                self._subscribe(client, self._filters([site]))

    def _filters(self, sites: Iterable[str]) -> list[str]:
        return (
            [one for site in sites for one in command_filters(site)] if self._has_commands else []
        )

    def _subscribe(self, client: Client, filters: list[str]) -> None:
        if filters:
            client.subscribe([(one, 1) for one in filters])

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _props: Any
    ) -> None:
        refused = next((reason for reason in reasons if reason.is_failure), None)
        if refused is not None:
            self._log.warning(
                "broker refuses a subscription: commands do not come through",
                reason=words(refused.value),
            )

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        payload = bytes(message.payload)
        if message.topic != self._birth:
            self._commands.take(message.topic, payload, retained=message.retain)
        elif payload == b"online" and not message.retain:
            self._on_birth()
