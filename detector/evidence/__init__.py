"""What is kept of an incident: stills, a clip that begins before it, the score's curve."""
