"""Alerts to a syslog receiver."""
