"""Alerts by HTTP."""
