"""Propagators: the exit wave to the detector and back, unitary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from napari_scicompty.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from napari_scicompty.geometry import Geometry


class Propagator(Protocol):
    """A unitary map D between exit waves (..., h, w) and detector waves (..., h, w)."""

    def forward(self, exit_wave: Tensor) -> Tensor:
        """D{psi}: the wave on the detector."""
        ...

    def backward(self, wave: Tensor) -> Tensor:
        """D^-1{Psi}: inverse and adjoint at once, because D is unitary."""
        ...


class FarField:
    """Fraunhofer propagation: an orthonormal Fourier transform.

    The zero frequency is at [0, 0]; the exit wave is not shifted, because the modulus
    cannot see a shift.
    """

    def forward(self, exit_wave: Tensor) -> Tensor:
        """D{psi} = F{psi}."""
        return torch.fft.fft2(exit_wave, norm="ortho")

    def backward(self, wave: Tensor) -> Tensor:
        """D^-1{Psi} = F^-1{Psi}."""
        return torch.fft.ifft2(wave, norm="ortho")


def propagator_for(geometry: Geometry) -> Propagator:
    """Choose the propagator of a geometry.

    Raises
    ------
    InputError
        The geometry is one that this version cannot reconstruct.
    """
    if geometry.propagation == "far-field":
        return FarField()
    raise InputError(
        "Geometry.propagation is 'near-field': this version shows near-field scans but "
        "reconstructs far-field ones only; if the detector is in the far field, open "
        "the scan with propagation='far-field'"
    )
