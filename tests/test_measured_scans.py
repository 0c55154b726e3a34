"""Measured scans of other geometries than the star's (see test_start.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import napari_scicompty as sc

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def p25(shared_data: Path) -> sc.Scan:
    path = shared_data / "p25_nearfield" / "PETRAIII_P25_Near_Field_Ptycho.cxi"
    return sc.open_scan(path, focus_sample_m=3.65e-3, propagation="near-field")


@pytest.mark.slow
def test_near_field_of_a_cone_beam_shows_the_star(p25: sc.Scan) -> None:
    *_, last = sc.reconstruct(p25, sc.RPIE(), epochs=150, device="cpu")
    assert last.error <= 0.0055
    # Spokes: around the middle of the star the phase goes up and down many times.
    phase = np.angle(last.object)
    row, column = (n // 2 for n in phase.shape)
    turn = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    y, x = (row + 40 * np.sin(turn), column + 40 * np.cos(turn))
    ring = phase[y.round().astype(int), x.round().astype(int)]
    power = np.abs(np.fft.rfft(ring - ring.mean())) ** 2
    assert power[24:33].sum() > 0.8 * power.sum()


@pytest.mark.slow
def test_the_orientation_of_the_file_is_the_best_of_all_eight(p25: sc.Scan) -> None:
    """The file's basis vectors are used, not a guess: every other turn is worse."""
    errors = {}
    for swap in (False, True):
        for sign in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            turned = p25.positions_m[:, ::-1] if swap else p25.positions_m
            scan = p25.replace(positions_m=turned * sign)
            *_, last = sc.reconstruct(scan, sc.RPIE(), epochs=3, device="cpu")
            errors[swap, *sign] = last.error
    asis = errors.pop((False, 1, 1))
    assert asis < 0.8 * min(errors.values())
