"""The second look: a video network on the last second of a camera whose score is high."""
