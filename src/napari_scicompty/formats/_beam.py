"""Which wavelength is meant: photons or electrons."""

from __future__ import annotations

from napari_scicompty.core.findings import Finding

_VOLTAGES_V = (30e3, 60e3, 80e3, 100e3, 120e3, 200e3, 300e3)
"""Of electron microscopes."""
_NEAR = 0.01
_HARDEST_EV = 100e3
"""Photons of more are not used for this."""


def electrons(energy_ev: float, value: str = "") -> Finding | None:
    """Ask whether an energy given as that of photons is one of electrons.

    Parameters
    ----------
    energy_ev : float
        In eV.
    value : str, optional
        What it was called.
    """
    usual = any(abs(energy_ev / v - 1) <= _NEAR for v in _VOLTAGES_V)
    if not usual and energy_ev <= _HARDEST_EV:
        return None
    return Finding(
        "electrons",
        "energy_ev",
        f"{value or 'energy_ev'}: {energy_ev:.6g} eV is taken as the energy of photons "
        "and looks like the voltage of an electron microscope",
        f"for electrons give voltage_v={energy_ev:.6g} instead",
        change=(("voltage_v", energy_ev), ("energy_ev", None), ("energy_key", None)),
    )
