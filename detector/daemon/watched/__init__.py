"""The cameras that are watched: what each of them is, sees and tells."""
