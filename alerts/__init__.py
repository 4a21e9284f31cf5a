"""From an alert to its receivers: message, routing, durable outbox, sinks."""
