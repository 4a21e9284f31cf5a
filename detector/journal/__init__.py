"""What has happened, kept for good: SQLite beside the daemon, or PostgreSQL.

Fed behind the alerts' store, which is the truth for alarms: no alarm ever waits for the journal.
"""
