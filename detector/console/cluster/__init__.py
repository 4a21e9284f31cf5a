"""What the console shows of the cluster that the daemon is in."""
