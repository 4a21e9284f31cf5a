"""Recordings: reading them as cameras are read, scoring and drawing them."""
