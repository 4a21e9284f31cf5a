"""Of a cluster: by which claims this box watches, and what goes from box to box with a camera."""
