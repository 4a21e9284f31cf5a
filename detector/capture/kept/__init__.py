"""The last seconds of each camera's packets, kept so that a clip can begin before its incident."""
