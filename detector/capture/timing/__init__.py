"""When pictures were taken, and whether the camera's own clock can be believed."""
