"""What an alert looks like to its receiver: pure functions from `Alert` to bytes."""
