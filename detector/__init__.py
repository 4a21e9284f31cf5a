"""From packets to incidents: capture, motion views, inference, smoothing, and the daemon."""
