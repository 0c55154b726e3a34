"""The command ``scicompty compare``: a result judged against its truth."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the hints
from typing import TYPE_CHECKING, Annotated

import typer

from napari_scicompty.analysis.metrics import compare
from napari_scicompty.cli._outputs import Overwrite, check_outputs, door_of
from napari_scicompty.cli._resolution import tell_crossings
from napari_scicompty.cli._show import length, refined_distance
from napari_scicompty.cli._terminal import say
from napari_scicompty.files.writing import MARK, write_bytes
from napari_scicompty.formats import open_scan
from napari_scicompty.results import open_result
from napari_scicompty.results.foreign import is_foreign_result, open_foreign_result
from napari_scicompty.simulation.truth_file import open_truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scicompty.analysis.metrics import Comparison, FourierRingCorrelation
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.simulation import Truth


def compare_with_truth(
    result: Annotated[
        Path, typer.Argument(help="A saved result, of another package too.")
    ],
    truth: Annotated[
        Path, typer.Argument(help="The simulated scan, saved with its truth.")
    ],
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="The same numbers: .json.", rich_help_panel="Saving"
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Judge a result against what the virtual experiment was made of."""
    door = door_of(result, truth, overwrite=overwrite)
    check_outputs((save, (".json",)), **door)
    if is_foreign_result(result):
        snapshot = open_foreign_result(result).start_for(open_scan(truth))
        for note in snapshot.history.notes:
            say(note)
    else:
        snapshot = open_result(result)
    known = open_truth(truth)
    judged = compare(snapshot, known)
    rings = judged.ring_correlation()
    for name, text in (*_lines(judged, rings), *_distance(snapshot, known)):
        say(f"{name + ':':<20} {text}")
    if save is not None:
        numbers = judged.to_dict() | {"ring_correlation": rings.to_dict()}
        numbers["distance"] = {
            "told_m": snapshot.nominal_geometry.distance_m,
            "found_m": snapshot.distance_m,
            "true_m": known.distance_m,
        }
        text = json.dumps(numbers | {"made_by": MARK}, indent=1)
        write_bytes(save, text.encode(), **door)
        say(f"numbers saved: {save}")


def _lines(
    judged: Comparison, rings: FourierRingCorrelation
) -> Iterator[tuple[str, str]]:
    yield "1 - |C|", f"{1 - judged.correlation:.3g}"
    yield "SSIM of magnitude", f"{judged.ssim.magnitude:.4f}"
    yield "SSIM of phase", f"{judged.ssim.phase:.4f}"
    cosines = ", ".join(f"{c:.4f}" for c in judged.cosines)
    yield "probe modes", f"principal cosines {cosines}"
    yield from tell_crossings(rings)
    if judged.positions is not None:
        error, by = judged.positions, judged.positions.map
        yield (
            "position error",
            f"mean {length(error.mean_m)}, median {length(error.median_m)}, "
            f"largest {length(error.max_m)}",
        )
        yield (
            "position map",
            f"scale {by.scale[0]:.5g} (y), {by.scale[1]:.5g} (x), rotation "
            f"{by.rotation_rad * 1e3:.3g} mrad, shear {by.shear:.3g}; removed",
        )
    y, x = judged.alignment.shift_px
    yield "removed", f"shift ({y:.2f}, {x:.2f}) pixels, phase ramp, complex scale"


def _distance(snapshot: Snapshot, truth: Truth) -> Iterator[tuple[str, str]]:
    for name, text in refined_distance(snapshot):
        yield name, f"{text}; the true one is {truth.distance_m * 1e3:.5g} mm"
