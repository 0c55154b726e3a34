"""What was found to be odd: not refused, but to be told, with the way to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Level = Literal["note", "warning"]

_WARNING = "warning: "
"""How a note of a history begins that is more than a note."""


@dataclass(frozen=True)
class Finding:
    """One thing about a scan or a run that a person should look at."""

    code: str
    """What kind it is, in words that stay: ``"marker-values"``."""
    field: str
    """The choice or setting that it is about: ``"mask"``, ``"positions"``."""
    sentence: str
    """What was found."""
    remedy: str = ""
    """What to do where it is wrong, in the names of choices and settings."""
    level: Level = "warning"
    """How loud it is told."""

    def __str__(self) -> str:
        """Return sentence and remedy as one line."""
        return f"{self.sentence}; {self.remedy}" if self.remedy else self.sentence

    @property
    def as_note(self) -> str:
        """The line as a history keeps it."""
        return f"{_WARNING if self.level == 'warning' else ''}{self}"


def as_warning(text: str) -> str:
    """Return a note of a history that is to be shown as a warning.

    Parameters
    ----------
    text : str
        The sentence.
    """
    return f"{_WARNING}{text}"


def level_of(note: str) -> tuple[Level, str]:
    """Return how loud a note of a history is, and what it says.

    Parameters
    ----------
    note : str
        A note as a history keeps it.
    """
    if note.startswith(_WARNING):
        return "warning", note.removeprefix(_WARNING)
    return "note", note


def numbered(indices: Iterable[int], most: int = 10) -> str:
    """Write out pattern numbers as a setting takes them: ``[3,50]``, all of them.

    Parameters
    ----------
    indices : iterable of int
        Numbers of patterns, from 0.
    most : int
        Where there are more, the first ones and an ellipsis.

    Returns
    -------
    str
        In square brackets, without spaces.

    Examples
    --------
    >>> numbered([3, 50])
    '[3,50]'
    >>> numbered(range(100), most=3)
    '[0,1,2,...]'
    """
    numbers = [str(int(j)) for j in indices]
    more = ",..." if len(numbers) > most else ""
    return f"[{','.join(numbers[:most])}{more}]"
