"""Alerts and the state of cameras to an MQTT broker."""
