"""Getting into the console: a link for the first person, hashes for everybody's accounts."""
