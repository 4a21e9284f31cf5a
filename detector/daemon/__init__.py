"""The daemon: who is watched, what an incident sets off, and what operators ask for."""
