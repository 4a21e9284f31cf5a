"""A still camera is not decoded: when it may sleep, and how it wakes."""
