"""`python -m detector.cli` is `jikimi`."""

from detector.cli import command

command()
