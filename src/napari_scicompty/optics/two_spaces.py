"""A field in the space where it was changed last: real space or Fourier space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


class TwoSpaces:
    """Fields (..., h, w) that can be stepped in either space.

    A field that is shifted by a fraction of a pixel at every step stays in Fourier
    space between the steps, which saves half of the transforms and is exact.
    """

    def __init__(self, field: Tensor) -> None:
        self._field = field
        self._spectrum: Tensor | None = None
        self._field_is_old = False

    @property
    def field(self) -> Tensor:
        """The field itself; whoever gets it may change it in place."""
        if self._field_is_old:
            self._field = self.copied()
            self._field_is_old = False
        self._spectrum = None
        return self._field

    @property
    def spectrum(self) -> Tensor:
        """F{field}, not to be changed."""
        if self._spectrum is None:
            self._spectrum = torch.fft.fft2(self._field)
        return self._spectrum

    @property
    def stepped(self) -> Tensor | None:
        """F{field} where the last step was taken there: more exact than the field."""
        return self._spectrum if self._field_is_old else None

    def copied(self) -> Tensor:
        """Return a copy of the field; nothing is changed by looking."""
        if self._field_is_old:
            return torch.fft.ifft2(self.spectrum)
        return self._field.clone()

    def add_spectrum(self, update: Tensor, alpha: float) -> None:
        """Add alpha times an update to F{field}, in place."""
        self.spectrum.add_(update, alpha=alpha)
        self._field_is_old = True

    def take_up(self, stepped: Tensor) -> None:
        """Go on from an earlier `stepped`, if it is that of this field."""
        if torch.equal(torch.fft.ifft2(stepped), self._field):
            self._spectrum, self._field_is_old = stepped, True
