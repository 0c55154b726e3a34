"""Held-out pixels: they take no part, tell of overfitting, and stop a run in time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.engine.run import Run
from small_scans import settings, small_scan


def noisy(seed: int = 0) -> tuple[sc.Scan, sc.DiscProbe]:
    """A small scan of about 600 photons a pattern, and a start for it."""
    small = small_scan((32, 32), (6, 6), step=4)
    rng = np.random.default_rng(seed)
    patterns = rng.poisson(small.scan.patterns * 6e-3).astype("f4")
    radius = small.start().settings["start"]["radius_m"]
    return small.scan.replace(patterns=patterns), sc.DiscProbe(radius)


def last_of(scan: sc.Scan, name: str, start: Any, epochs: int, **more: Any) -> Any:
    """The last snapshot of a run on the CPU."""
    *_, last = sc.reconstruct(
        scan, ALGORITHMS[name](), epochs=epochs, start=start, device="cpu", **more
    )
    return last


@pytest.mark.parametrize("name", ["rpie", "epie"])
def test_the_error_falls_where_it_is_fitted_and_rises_where_it_is_not(
    name: str,
) -> None:
    scan, start = noisy()
    last = last_of(scan, name, start, 60, held_out=0.05)
    epochs, held = zip(*last.history.held_out, strict=True)
    assert epochs == tuple(range(1, 61))
    assert min(held) < held[0]
    assert held[-1] > 1.05 * min(held)
    assert last.history.errors[-1] < min(last.history.errors[1:20])


@pytest.mark.parametrize("name", ALGORITHMS)
def test_held_out_pixels_take_no_part(name: str) -> None:
    scan, start = noisy()
    begun = last_of(scan, name, start, 0)
    run = Run(scan, ALGORITHMS[name](), begun, settings(held_out=0.05))
    assert run.measured.held_out is not None
    held = np.zeros(scan.frame_shape, bool)
    held.flat[run.measured.held_out.pixels.numpy()] = True
    held = np.fft.fftshift(held)
    assert 0.02 < held.mean() < 0.08
    other = scan.patterns.copy()
    other[:, held] = 77
    results = [
        last_of(s, name, begun, 3, held_out=0.05)
        for s in (scan, scan.replace(patterns=other))
    ]
    assert np.allclose(results[0].object, results[1].object, atol=1e-4)
    assert results[0].error == pytest.approx(results[1].error, rel=1e-4)
    assert results[0].history.held_out[-1] != results[1].history.held_out[-1]


def test_a_patient_run_ends_and_keeps_the_best(tmp_path: Any) -> None:
    scan, start = noisy()
    whole = last_of(scan, "rpie", start, 60, held_out=0.05)
    held = [error for _, error in whole.history.held_out]
    best = int(np.argmin(held)) + 1
    assert best < 40
    kept = last_of(scan, "rpie", start, 60, held_out=0.05, patience=20)
    assert kept.epoch == best
    assert "held-out" in kept.history.notes[-1]
    then = last_of(scan, "rpie", start, best, held_out=0.05)
    assert np.array_equal(kept.object, then.object)
    sc.save_result(tmp_path / "kept.h5", kept)
    opened = sc.open_result(tmp_path / "kept.h5")
    assert opened.history.held_out == kept.history.held_out
