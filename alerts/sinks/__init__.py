"""The sinks that ship with Jikimi, one module each."""
