"""The public errors: each message says what is wrong, where, and what to do."""

from __future__ import annotations

from typing import ClassVar


class InputError(ValueError):
    """Input that cannot be used as it is (exit code 2)."""

    is_fault: ClassVar[bool] = False
    """Whether the program is at fault, so that its log is worth a look."""


class EngineError(Exception):
    """The engine could not go on (exit code 1).

    Deliberately not a ``RuntimeError``: thread workers of Qt bindings swallow those.
    """

    is_fault: ClassVar[bool] = True
