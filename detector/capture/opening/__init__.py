"""Opening a stream: by libav, and where it cannot log in, by way of a relay that can."""
