"""ONVIF cameras: found on the network, and asked for their streams."""
