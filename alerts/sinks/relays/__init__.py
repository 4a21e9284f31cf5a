"""Relays: the siren, the floodlight, and what opens them in time."""
