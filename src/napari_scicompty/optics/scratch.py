"""Memory that steps use again and again, so that it stays in the processor's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_BYTES = 2**22
"""Above this nothing is kept: it would not stay in a cache, only in memory."""


class Parts(NamedTuple):
    """Memory of a complex field, seen in three ways."""

    both: Tensor
    """Real numbers (..., 2)."""
    real: Tensor
    """Real parts (...), in the same memory."""
    imag: Tensor
    """Its halves (...)."""
    complex: Tensor
    """Complex numbers (...)."""


class Scratch:
    """Gives tensors by name and shape; a second call for the same gives the same.

    Parameters
    ----------
    device : torch.device
        Where its tensors lie.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kept: dict[tuple[str, tuple[int, ...]], Tensor] = {}
        self._parts: dict[tuple[int, ...], Parts] = {}

    def __call__(
        self, name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """Return a tensor that may hold anything; one name has one type."""
        kept = self._kept.get((name, shape))
        if kept is None:
            kept = torch.empty(shape, dtype=dtype, device=self._device)
            if kept.nbytes <= LARGEST_BYTES:
                self._kept[name, shape] = kept
        return kept

    def parts(self, shape: tuple[int, ...]) -> Parts:
        """Return the memory of a complex field for what is needed at once only.

        Parameters
        ----------
        shape : tuple of int
            Of the field.
        """
        parts = self._parts.get(shape)
        if parts is None:
            both = torch.empty((*shape, 2), device=self._device)
            real, imag = both.unbind(-1)
            parts = Parts(both, real, imag, torch.view_as_complex(both))
            if both.nbytes <= LARGEST_BYTES:
                self._parts[shape] = parts
        return parts
