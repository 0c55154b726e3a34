"""A field in the space where it was changed last: real space or Fourier space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch

if TYPE_CHECKING:
    from torch import Tensor


class TwoSpaces:
    """Fields (..., h, w) that can be stepped in either space.

    A field that is shifted by a fraction of a pixel at every step stays in Fourier
    space between the steps, which saves half of the transforms and is exact.

    Parameters
    ----------
    field : Tensor (m, h, w) complex
        The fields, such as probe modes; changed in place.
    """

    def __init__(self, field: Tensor) -> None:
        self._field = field
        self._as_batch = field.unsqueeze(0)
        self._spectrum: Tensor | None = None
        self._field_is_old = False
        self._spectrum_is_old = True

    @classmethod
    def of(cls, values: Tensor, *, in_fourier: bool) -> Self:
        """Return fields of what stands in one of the two spaces.

        Parameters
        ----------
        values : Tensor (m, h, w) complex
            The fields, or F{fields}; changed in place.
        in_fourier : bool
            Whether they are in Fourier space.
        """
        if not in_fourier:
            return cls(values)
        made = cls(torch.empty_like(values))
        made._spectrum, made._spectrum_is_old = values, False
        made._field_is_old = True
        return made

    @property
    def pixels(self) -> int:
        """Numbers that the field consists of."""
        return self._field.numel()

    @property
    def modes(self) -> int:
        """Fields that it consists of."""
        return len(self._field)

    @property
    def field(self) -> Tensor:
        """The field itself; whoever gets it may change it in place."""
        return self.as_batch[0]

    @property
    def as_batch(self) -> Tensor:
        """The field itself as a batch of one, (1, ..., h, w), in the same memory."""
        if self._field_is_old:
            self._field.copy_(self.copied())
            self._field_is_old = False
        self._spectrum_is_old = True
        return self._as_batch

    @property
    def spectrum(self) -> Tensor:
        """F{field}, not to be changed; always in the same memory."""
        if self._spectrum is None:
            self._spectrum = torch.fft.fft2(self._field)
        elif self._spectrum_is_old:
            self._spectrum.copy_(torch.fft.fft2(self._field))
        self._spectrum_is_old = False
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

    def add_products(self, updates: Tensor, factors: Tensor, alpha: float) -> None:
        """Add alpha sum_j u_j f_j to F{field}, in place; the updates are used up.

        Parameters
        ----------
        updates : Tensor (B, ..., h, w) complex
            u_j, in Fourier space.
        factors : Tensor (B, ..., h, w) complex
            f_j, that broadcast to the updates.
        alpha : float
            Size of the step.
        """
        spectrum = self.spectrum
        if len(updates) == 1:
            spectrum.addcmul_(updates[0], factors[0], value=alpha)
        else:
            spectrum.add_(updates.mul_(factors).sum(0), alpha=alpha)
        self.was_stepped()

    def was_stepped(self) -> None:
        """Take note that F{field} was changed in place: the field is old now."""
        self._field_is_old = True

    def take_up(self, stepped: Tensor) -> None:
        """Go on from an earlier `stepped`, if it is that of this field.

        Parameters
        ----------
        stepped : Tensor (..., h, w) complex
            F{field}, zero frequency first.
        """
        if torch.equal(torch.fft.ifft2(stepped), self._field):
            self._spectrum, self._spectrum_is_old = stepped, False
            self._field_is_old = True
