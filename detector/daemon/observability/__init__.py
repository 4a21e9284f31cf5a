"""What the daemon shows of itself: metrics, health, logs, systemd."""
