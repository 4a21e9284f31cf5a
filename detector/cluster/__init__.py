"""Which box watches which camera. Watching itself is the daemon's, the same as of one box."""
