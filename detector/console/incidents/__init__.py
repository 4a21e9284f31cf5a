"""Incidents as the pages show them."""
