"""Files of electron microscopes that the package rosettasciio reads."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.files.reading import check_file, check_size, reading
from napari_scicompty.formats._raw import Raw, as_stack, summary
from napari_scicompty.formats._scan_axes import Axis, calibration, with_calibration

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.formats.choices import OpenChoices

_KIND = "file of a microscope"


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read the signal of most axes, and its calibration.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        None of them matters here.

    Returns
    -------
    Raw
        What the file holds, unchecked.

    Raises
    ------
    InputError
        A package that is not installed, or a file that it cannot read.
    """
    del choices
    check_file(path, _KIND)
    try:
        import rsciio
    except ImportError as error:
        raise InputError(
            f"{path}: is read with the package rosettasciio, which is not installed; "
            "install napari-scicompty[formats]"
        ) from error
    check_size(path.stat().st_size, room_for_a_stack(), str(path), _KIND)
    with reading(path, _KIND):
        suffix = path.suffix.lower().removeprefix(".")
        plugin = next(p for p in rsciio.IO_PLUGINS if suffix in p["file_extensions"])
        signals = import_module(plugin["api"]).file_reader(str(path))
        signal = max(signals, key=lambda held: np.ndim(held["data"]))
        array = np.asarray(signal["data"])
        patterns, notes = as_stack(array, path)
        axes = [_axis(axis) for axis in signal["axes"]][-4:]
    held = calibration(axes[:-2] or [Axis(0.0, "")], axes[-2:], _voltage(signal))
    note = summary(path, patterns, f"by rosettasciio ({plugin['name']})")
    return with_calibration(
        Raw(patterns, (path,), report=(note, *notes)), held, array.shape
    )


def _axis(axis: dict[str, Any]) -> Axis:
    unit = axis.get("units")
    return Axis(float(axis.get("scale") or 0.0), unit if isinstance(unit, str) else "")


def _voltage(signal: dict[str, Any]) -> float | None:
    """Look the energy of the beam up, which is kept in kiloelectronvolt."""
    at: Any = signal.get("metadata")
    for part in ("Acquisition_instrument", "TEM", "beam_energy"):
        at = at.get(part) if isinstance(at, dict) else None
    return float(at) * 1e3 if isinstance(at, int | float) else None
