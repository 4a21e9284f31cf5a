"""The mistakes Jikimi can name, and the exit code of each.

Messages are in the operator's words: what is wrong, where, and what to do. They
never hold a password; pass anything that may through `config.secrets.scrub`.
"""

from __future__ import annotations


class JikimiError(Exception):
    """Base of every error that Jikimi raises on purpose."""

    exit_code = 1


class ConfigError(JikimiError):
    """The configuration is wrong; the message names file, line, key and remedy."""

    exit_code = 2


class StreamError(JikimiError):
    """A video source cannot be opened or read."""

    exit_code = 3


class UnauthorisedError(StreamError):
    """The camera refused the user name or password."""


class ModelError(JikimiError):
    """The weights are missing, damaged, or do not fit this version of the code."""

    exit_code = 4


class DeliveryError(JikimiError):
    """A sink did not acknowledge an alert; it will be tried again."""

    exit_code = 5


class ControlError(JikimiError):
    """The running daemon cannot be reached, or refused the request."""

    exit_code = 6


class UsageError(JikimiError):
    """The command line asks for something that makes no sense (EX_USAGE of sysexits.h)."""

    exit_code = 64
