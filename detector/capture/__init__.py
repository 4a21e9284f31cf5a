"""One thread a camera, from packets to samples."""
