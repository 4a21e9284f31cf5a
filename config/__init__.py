"""What the operator states: settings, camera URLs, secrets, and the errors that name a mistake."""
