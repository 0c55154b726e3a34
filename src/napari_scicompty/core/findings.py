"""What was found to be odd: not refused, but to be told, with the way to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from napari_scicompty.core import renamed

if TYPE_CHECKING:
    from collections.abc import Iterable

Level = Literal["ok", "warning", "error"]
"""All is well; look at it; it will not give a picture."""

Loudness = Literal["note", "warning"]
"""Of a note in a history."""

Change = tuple[tuple[str, Any], ...]
"""Pairs of a choice or setting and the value to give it."""

_WARNING = "warning: "
"""How a note of a history begins that is more than a note."""


@dataclass(frozen=True)
class Finding:
    """One thing about a scan or a run that a person should look at."""

    code: str
    """What kind it is, in words that stay: ``"marker-values"``."""
    where: str
    """The choice or setting that it is about: ``"mask"``, ``"positions"``."""
    what: str
    """What was found."""
    mend: str = ""
    """What to do where it is wrong, in the names of choices and settings."""
    level: Level = "warning"
    """How bad it is."""
    why: str = ""
    """What speaks for it, where `what` does not say that."""
    patterns: tuple[int, ...] = ()
    """Numbers of the patterns that it is about, from 0."""
    change: Change = ()
    """What a button can set to mend it: ``(("amplitudes", True),)``."""

    def __str__(self) -> str:
        """Return what, why and the way to mend it as one line."""
        return "; ".join(part for part in (self.what, self.why, self.mend) if part)

    if not TYPE_CHECKING:  # a checker of types is to miss the former names

        def __getattr__(self, name: str) -> Any:
            """Return an attribute by its former name, with a warning."""
            if name not in renamed.FINDING:
                raise AttributeError(f"Finding has no attribute {name!r}")
            renamed.warn(f"Finding.{name}", renamed.FINDING[name])
            return getattr(self, renamed.FINDING[name])

    @property
    def as_note(self) -> str:
        """The line as a history keeps it."""
        return str(self) if self.level == "ok" else f"{_WARNING}{self}"


class LeftOut(TypedDict):
    """What a finding about some patterns says beside its sentences."""

    patterns: tuple[int, ...]
    """Their numbers, from 0."""
    change: Change
    """What leaves them out."""


def leaving_out(numbers: Iterable[int]) -> LeftOut:
    """Return the patterns of a finding, and the change that leaves them out.

    Parameters
    ----------
    numbers : iterable of int
        Numbers of patterns, from 0.

    Returns
    -------
    dict
        Two fields of a `Finding`, by name.

    Examples
    --------
    >>> leaving_out([3, 50])
    {'patterns': (3, 50), 'change': (('run.excluded', (3, 50)),)}
    """
    patterns = tuple(int(j) for j in numbers)
    return {"patterns": patterns, "change": (("run.excluded", patterns),)}


def as_warning(text: str) -> str:
    """Return a note of a history that is to be shown as a warning.

    Parameters
    ----------
    text : str
        The sentence.
    """
    return f"{_WARNING}{text}"


def level_of(note: str) -> tuple[Loudness, str]:
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
