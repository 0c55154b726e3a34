"""What else is refined beside any algorithm; the table names the refiners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from napari_scicompty.core import renamed
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.registry import Registry
from napari_scicompty.core.settings import described_as, nearest
from napari_scicompty.refine.base import Refiner
from napari_scicompty.refine.distance import DefocusCoupledDistance
from napari_scicompty.refine.positions import PositionRefiner
from napari_scicompty.refine.shifts import CrossCorrelationShift, LeastSquaresShift

REFINERS: Registry[type[Refiner]] = Registry(
    "napari_scicompty.refiners",
    {
        "least-squares-shift": LeastSquaresShift,
        "cross-correlation-shift": CrossCorrelationShift,
        "defocus-coupled-distance": DefocusCoupledDistance,
    },
    lambda kind: isinstance(kind, type) and issubclass(kind, Refiner),
)
"""Name in recipes and on the command line -> class; the first of a quantity is its
default."""

__all__ = [
    "REFINERS",
    "CrossCorrelationShift",
    "DefocusCoupledDistance",
    "LeastSquaresShift",
    "PositionRefiner",
    "Refiner",
    "from_description",
    "refiners",
]


def refiners(
    chosen: str | Refiner | Iterable[str | Refiner] | None,
) -> tuple[Refiner, ...]:
    """Resolve names of quantities (``"positions"``) and of refiners, one or several.

    Parameters
    ----------
    chosen : str, Refiner or several of them
        None is nothing.

    Returns
    -------
    tuple of Refiner
        One a quantity; a name gives the default refiner.

    Raises
    ------
    InputError
        A name that is not known, or two refiners of one quantity.
    """
    found: dict[str, Refiner] = {}
    for item in _listed(chosen):
        refiner = item if isinstance(item, Refiner) else _named(item)
        if refiner.quantity in found:
            raise InputError(
                field="refine",
                problem=f"{refiner.quantity} are refined twice",
                remedy="give one refiner each",
            )
        found[refiner.quantity] = refiner
    return tuple(found.values())


def from_description(description: dict[str, object]) -> Refiner:
    """Return the refiner that a history describes.

    Parameters
    ----------
    description : dict
        As of `Settings.described`.

    Raises
    ------
    InputError
        A refiner or a setting that is not known here.
    """
    return described_as(REFINERS.values(), description, "refiner")


def _listed(chosen: object) -> Iterable[object]:
    """Take one for a list of one, and None for none."""
    if chosen is None:
        return ()
    alone = isinstance(chosen, str | Refiner | type | Mapping)
    return chosen if isinstance(chosen, Iterable) and not alone else (chosen,)


def _named(name: object) -> Refiner:
    if isinstance(name, type) and issubclass(name, Refiner):
        raise InputError(
            field="refine",
            problem=f"{name.__name__} is a class",
            remedy=f"give an object of it, such as {name.__name__}()",
        )
    name = renamed.KINDS.get(name, name) if isinstance(name, str) else name
    kind = REFINERS.get(name) if isinstance(name, str) else None
    kinds = REFINERS.values()
    kind = kind or next((k for k in kinds if k.quantity == name), None)
    if kind is None:
        quantities = dict.fromkeys(k.quantity for k in REFINERS.values())
        names = (*quantities, *REFINERS)
        known = ", ".join(repr(n) for n in names)
        raise InputError(
            field="refine",
            problem=f"{name!r} is not known",
            remedy=f"give {known}, or a refiner such as LeastSquaresShift()"
            + nearest(name, names),
        )
    return kind()


REFINERS.load_plugins()
