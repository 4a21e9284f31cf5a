"""From scores to incidents: smoothing, thresholds, calibration to a camera."""
