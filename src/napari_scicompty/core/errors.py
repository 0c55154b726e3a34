"""The public errors: each message says what is wrong, where, and what to do."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used as it is (exit code 2)."""


class EngineError(Exception):
    """The engine could not go on (exit code 1).

    Deliberately not a ``RuntimeError``: thread workers of Qt bindings swallow those.
    """
