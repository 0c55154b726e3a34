"""What the Virtual experiment dock has done: a run that suits, files, a judgement."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_scicompty.analysis.metrics import compare
from napari_scicompty.formats import save_scan
from napari_scicompty.recipe import Recipe
from napari_scicompty.simulation import simulate

if TYPE_CHECKING:
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.simulation import Preset, Truth, VirtualExperiment
    from napari_scicompty.ui.widgets.save_dialog import Target


def suited_recipe(experiment: VirtualExperiment, preset: Preset | None) -> Recipe:
    """Return a run of an experiment: the preset's, or the usual one."""
    if preset is None:
        return Recipe.of_experiment(experiment)
    return Recipe.of_preset(replace(preset, experiment=experiment))


def saved(
    target: Target, experiment: VirtualExperiment, at_hand: tuple[Scan, Truth] | None
) -> str:
    """Save a scan with its truth, simulated if it is not at hand; say where.

    Raises
    ------
    InputError
        Settings that cannot work, or a file that cannot be written.
    """
    scan, truth = at_hand or simulate(experiment)
    save_scan(target.path, scan, truth, overwrite=target.overwrite)
    return f"saved {target.path}"


def judged(snapshot: Snapshot, truth: Truth) -> str:
    """Say how near a result is to the truth.

    Raises
    ------
    InputError
        A result that the truth is not of.
    """
    found = compare(snapshot, truth)
    said = (
        f"epoch {snapshot.epoch} against the truth: 1 - |C| = "
        f"{1 - found.correlation:.2g}, SSIM of magnitude {found.ssim.magnitude:.3f} "
        f"and phase {found.ssim.phase:.3f}, probe cosine {found.cosines[-1]:.4f}"
    )
    if found.positions is not None:
        said += f", positions off by {found.positions.mean_m * 1e9:.3g} nm"
    return said
