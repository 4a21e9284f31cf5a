"""Commands about cameras before they are watched: found, and looked at."""
