"""From an incident to the outside world: message, routing, durable outbox, sinks."""
