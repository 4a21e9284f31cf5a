"""The demo camera: a rendered street in which people meet, pass and fight."""
