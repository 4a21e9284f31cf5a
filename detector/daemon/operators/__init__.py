"""What people ask of the running daemon, and the socket by which they ask."""
