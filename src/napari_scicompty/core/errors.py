"""The public errors: each message says what is wrong, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Changes = tuple[tuple[tuple[str, Any], ...], ...]
"""Several ways to mend something: pairs of a choice and its value."""


class InputError(ValueError):
    """Input that cannot be used as it is (exit code 2).

    Parameters
    ----------
    message : str, optional
        The whole sentence; made of the parts below when left out.
    field : str
        The setting it is about, such as ``"run.excluded"``. Where the sentence begins
        with it, `told` can put another name in its place.
    problem, remedy : str
        What is wrong with it, and what to do.
    faults : tuple of InputError
        The single ones, where several settings are wrong; see `of`.
    """

    def __init__(
        self,
        message: str = "",
        *,
        field: str = "",
        problem: str = "",
        remedy: str = "",
        faults: tuple[InputError, ...] = (),
    ) -> None:
        what = ": ".join(part for part in (field, problem) if part)
        super().__init__(message or "; ".join(p for p in (what, remedy) if p))
        self.field, self.problem, self.remedy = field, problem, remedy
        self.faults = faults

    @classmethod
    def of(cls, faults: Iterable[InputError]) -> InputError:
        """Return one error for several; its data are those of the first.

        Parameters
        ----------
        faults : iterable of InputError
            One at least.
        """
        first, *more = faults
        if not more:
            return first
        return cls(
            "; ".join(str(fault) for fault in (first, *more)),
            field=first.field,
            problem=first.problem,
            remedy=first.remedy,
            faults=(first, *more),
        )

    def told(self, name: Callable[[str], str]) -> str:
        """Return the sentence with another name for each field that is at fault.

        Parameters
        ----------
        name : callable
            Gives the name that a field has for the reader, such as an option.
        """
        if self.faults:
            return "; ".join(fault.told(name) for fault in self.faults)
        text = str(self)
        if not self.field or not text.startswith(self.field):
            return text
        return name(self.field) + text[len(self.field) :]

    def moved(self, owner: str, where: str) -> InputError:
        """Return the same error with ``owner.name`` called ``where.name``.

        Parameters
        ----------
        owner, where : str
            Name of the settings, and what stands in its place.
        """
        if self.faults:
            return InputError.of(fault.moved(owner, where) for fault in self.faults)
        first, dot, rest = self.field.partition(".")
        if first != owner or not dot:
            return self
        field = f"{where}.{rest}"
        return InputError(
            self.told(lambda _: field),
            field=field,
            problem=self.problem,
            remedy=self.remedy,
        )

    is_fault: ClassVar[bool] = False
    """Whether the program is at fault, so that its log is worth a look."""


class Mendable(InputError):
    """Input that cannot be used as it is, with choices that would mend it.

    Parameters
    ----------
    message : str
        The whole sentence.
    changes : sequence of sequence of (str, value)
        Choices and their values, as of `Finding.change`: any one of them would do.
    """

    def __init__(self, message: str, changes: Changes) -> None:
        super().__init__(message)
        self.changes = changes


def changes_of(error: BaseException | None) -> Changes:
    """Return what would mend an error, or what it was raised from.

    Parameters
    ----------
    error : exception, optional
        Any one.

    Returns
    -------
    tuple
        As of `Mendable`; empty where nothing is known.
    """
    while error is not None:
        if isinstance(error, Mendable):
            return error.changes
        error = error.__cause__
    return ()


class EngineError(Exception):
    """The engine could not go on (exit code 1).

    Deliberately not a ``RuntimeError``: thread workers of Qt bindings swallow those.
    """

    is_fault: ClassVar[bool] = True
