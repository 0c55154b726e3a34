"""All quantities that are refined, as the table of refiners has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.core.errors import InputError
from napari_scicompty.refine import REFINERS
from napari_scicompty.ui.reconstruction.distance_section import DistanceSection
from napari_scicompty.ui.reconstruction.positions_section import PositionsSection
from napari_scicompty.ui.reconstruction.refiner_section import RefinerSection, in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_scicompty.refine import Refiner
    from napari_scicompty.ui.session.controller import RunController

WITH_MORE: dict[str, type[RefinerSection]] = {
    "positions": PositionsSection,
    "distance": DistanceSection,
}
"""Quantities of which the window can say more than a curve."""


class RefinerSections:
    """One section for each quantity of the table `REFINERS`, in its order."""

    def __init__(self, prefix: str, controller: RunController) -> None:
        kinds: dict[str, dict[str, type[Refiner]]] = {}
        for name, kind in REFINERS.items():
            kinds.setdefault(kind.quantity, {})[name] = kind
        self._sections = {
            quantity: WITH_MORE.get(quantity, RefinerSection)(
                f"{prefix}.{quantity}", controller, own
            )
            for quantity, own in kinds.items()
        }

    def __getitem__(self, quantity: str) -> RefinerSection:
        """Return the section of a quantity."""
        return self._sections[quantity]

    def __iter__(self) -> Iterator[RefinerSection]:
        """Go through all sections."""
        return iter(self._sections.values())

    @property
    def titled(self) -> dict[str, RefinerSection]:
        """Sections by the title that they have in the dock."""
        return {
            in_words(quantity).capitalize(): section
            for quantity, section in self._sections.items()
        }

    # -- what is set ------------------------------------------------------------------
    @property
    def chosen(self) -> tuple[Refiner, ...]:
        """What a recipe says; InputError when a field is not valid."""
        return tuple(item for section in self for item in section.chosen)

    @property
    def waiting(self) -> tuple[Refiner, ...]:
        """Every refiner as set, on or off; InputError when a field is not valid."""
        return tuple(section.refiner for section in self)

    def check(self, refine: Sequence[Refiner]) -> None:
        """Refuse what has no section, and what a section would have to drop.

        Raises
        ------
        InputError
            A refiner that is not in the table, or two of one quantity.
        """
        seen = set()
        for item in refine:
            if item.quantity not in self._sections:
                raise InputError(_unknown(item))
            if not self[item.quantity].kinds.holds(item):
                raise InputError(_unknown(item))
            if item.quantity in seen:
                raise InputError(
                    f"refine: {item.quantity} is refined twice; give one refiner"
                )
            seen.add(item.quantity)

    def set_chosen(self, refine: Sequence[Refiner]) -> None:
        """Show what a recipe says; raises InputError as `check`."""
        self.check(refine)
        for section in self:
            section.set_chosen(refine)

    # -- what is shown ----------------------------------------------------------------
    def show_state(self, busy: bool) -> None:
        """Enable what can be done now."""
        for section in self:
            section.show_state(busy)

    def show_progress(self) -> None:
        """Follow the run."""
        for section in self:
            section.show_progress()


def _unknown(refiner: Refiner) -> str:
    return (
        f"refine: this window has no section for {type(refiner).__name__} "
        f"({refiner.quantity}); add it by REFINERS.register before the dock is opened"
    )
