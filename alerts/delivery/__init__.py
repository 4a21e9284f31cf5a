"""From the outbox to a sink: one thread a sink, its attempts, and what became of them."""
