"""Results of other packages: each format is read, and is a start for its scan.

The files are written here by the published layout of each package, from the object and
the probe that a small scan was made of: a start from them has no error.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.results.foreign import FOREIGN, foreign_format
from napari_scicompty.results.foreign.ptychodus import save_product
from napari_scicompty.workflow.start import begin
from small_scans import small_scan

if TYPE_CHECKING:
    from pathlib import Path

SMALL = small_scan(view=(32, 32), grid=(4, 5), modes=2)
SCAN = SMALL.scan
PIXEL = SCAN.pixel_size_m
N = 32
H, W = SMALL.object.shape
ENERGY_EV = SCAN.geometry.energy_ev
WAVELENGTH = SCAN.geometry.wavelength_m


def write_ptypy(file: h5py.File, small: Any = SMALL) -> None:
    """Energies in keV; positions are those of the middles of views."""
    origin = np.array([3e-6, -4e-6])
    for group, data in (("obj", small.object[None]), ("probe", small.probe)):
        storage = file.create_group(f"content/{group}/SMFG00")
        storage["data"] = data.astype(np.complex64)
        storage["_psize"], storage["_origin"] = np.array(PIXEL), origin
        storage["_energy"] = ENERGY_EV / 1e3
    middles = small.corners + N // 2
    file["content/positions/SMFG00"] = origin + middles * PIXEL


def write_ptychodus(file: h5py.File, small: Any = SMALL) -> None:
    file.attrs["detector_object_distance_m"] = SCAN.geometry.distance_m
    file.attrs["probe_energy_eV"] = ENERGY_EV
    centre = np.array([1e-6, 2e-6])
    middles = centre + (small.corners + N / 2 - np.array([H, W]) / 2) * PIXEL
    file["probe_position_indexes"] = np.arange(len(middles))
    file["probe_position_y_m"], file["probe_position_x_m"] = middles.T
    file["object"], file["probe"] = small.object[None], small.probe[None]
    sizes = {"pixel_height_m": PIXEL[0], "pixel_width_m": PIXEL[1]}
    file["probe"].attrs.update(sizes)
    place = {"center_y_m": centre[0], "center_x_m": centre[1]}
    file["object"].attrs.update(sizes | place)


def write_ptyrad(file: h5py.File, small: Any = SMALL) -> None:
    """Two slices, whose product is the object; lengths in Å."""
    phase = np.angle(small.object)
    slices = np.stack([phase * 0.25, phase * 0.75])[None]
    amplitude = np.stack([np.abs(small.object), np.ones((H, W))])[None]
    whole = np.floor(small.corners).astype(int)
    file["optimizable_tensors/obja"] = amplitude
    file["optimizable_tensors/objp"] = slices
    file["optimizable_tensors/probe"] = small.probe
    file["optimizable_tensors/probe_pos_shifts"] = small.corners - whole
    file["model_attributes/crop_pos"] = whole
    file["model_attributes/dx"] = PIXEL[0] * 1e10
    file["model_attributes/lambd"] = WAVELENGTH * 1e10


def write_pynx(file: h5py.File, small: Any = SMALL) -> None:
    """Rows begin on top; positions (x, y, dx, dy) of the middles, y up."""
    entry = file.create_group("entry_1")
    file["entry_last"] = h5py.SoftLink("/entry_1")
    py, px = PIXEL
    x = (small.corners[:, 1] + N / 2 - W / 2) * px
    y = (H / 2 - small.corners[:, 0] - N / 2) * py
    entry["result_1/data"], entry["result_2/data"] = small.object[None], small.probe
    entry["result_1/y_pixel_size"], entry["result_1/x_pixel_size"] = PIXEL
    top = ((np.arange(H) - H / 2) * py)[-1]
    entry["result_1/corner_positions"] = [-W / 2 * px, top, 0]
    entry["result_5/data"] = np.stack([x, y, 0 * x, 0 * y]).astype(np.float32)
    entry["instrument_1/beam_1/incident_wavelength"] = WAVELENGTH
    entry["instrument_1/detector_1/distance"] = SCAN.geometry.distance_m


def write_cdtools(file: h5py.File, small: Any = SMALL) -> None:
    """Rows along -y, columns along -x."""
    basis = np.array([[0, -PIXEL[1]], [-PIXEL[0], 0], [0, 0]])
    first = np.array([7.25, -3.5])
    file["obj"], file["probe"], file["obj_basis"] = small.object, small.probe, basis
    file["translations"] = (small.corners + first) @ basis.T
    file["state_dict/min_translation"] = first
    file["wavelength"] = WAVELENGTH


def write_ptylab(file: h5py.File, small: Any = SMALL) -> None:
    """Six axes; a position of zero is the view in the middle."""
    file["object"] = small.object[None, None, None, None]
    file["probe"] = small.probe[None, None, :, None]
    file["dxp"], file["zo"] = PIXEL[0], SCAN.geometry.distance_m
    file["wavelength"] = WAVELENGTH
    middle = np.array([H // 2, W // 2]) - N // 2
    file["encoder_corrected"] = (small.corners - middle) * PIXEL


def write_fold_slice(file: h5py.File, small: Any = SMALL) -> None:
    """As MATLAB v7.3 stores it: axes reversed, complex numbers as pairs."""

    def matlab(array: np.ndarray) -> np.ndarray:
        stored = np.zeros(array.T.shape, [("real", "f8"), ("imag", "f8")])
        stored["real"], stored["imag"] = array.T.real, array.T.imag
        return stored

    file["object"] = matlab(small.object)
    file["probe"] = matlab(np.moveaxis(small.probe, 0, -1))
    file["p/dx_spec"] = np.array(PIXEL)[:, None]
    file["p/lambda"] = [[WAVELENGTH]]
    room = np.array([H, W]) / 2 - N / 2
    from_middle = small.corners - np.ceil(room) + 1
    file["outputs/probe_positions"] = from_middle[:, ::-1].T


WRITERS = {
    "ptypy": write_ptypy,
    "ptychodus": write_ptychodus,
    "ptyrad": write_ptyrad,
    "pynx": write_pynx,
    "cdtools": write_cdtools,
    "ptylab": write_ptylab,
    "fold_slice": write_fold_slice,
}


def saved(name: str, folder: Path, small: Any = SMALL) -> Path:
    """Write one format, under a name that tells nothing."""
    path = folder / f"{name}.bin"
    with h5py.File(path, "w") as file:
        WRITERS[name](file, small)
    return path


def start_error(scan: sc.Scan, start: sc.Snapshot) -> float:
    """Error of a start over all patterns."""
    first = next(iter(sc.reconstruct(scan, sc.RPIE(), epochs=1, start=start)))
    return first.error


@pytest.mark.parametrize("name", FOREIGN)
def test_each_is_read_and_has_no_error_as_a_start(name: str, tmp_path: Path) -> None:
    path = saved(name, tmp_path)
    assert foreign_format(path) == name
    found = sc.open_foreign_result(path)
    assert np.allclose(found.object, SMALL.object, atol=1e-5)
    assert np.allclose(found.probe, SMALL.probe, atol=1e-5)
    assert found.pixel_size_m == pytest.approx(PIXEL)
    start = found.start_for(SCAN)
    assert start.epoch == 0 and math.isnan(start.error)
    assert np.array_equal(start.positions_m, SCAN.positions_m)
    assert start_error(SCAN, start) < 1e-4
    assert start_error(SCAN, SMALL.start()) > 0.1


@pytest.mark.parametrize("name", FOREIGN)
def test_positions_are_those_of_the_views(name: str, tmp_path: Path) -> None:
    found = sc.open_foreign_result(saved(name, tmp_path))
    corners = (found.positions_m - found.origin_m) / np.array(found.pixel_size_m)
    assert np.abs(corners - SMALL.corners).max() < 1e-4


@pytest.mark.parametrize("name", FOREIGN)
def test_wavelength_and_distance_are_read(name: str, tmp_path: Path) -> None:
    found = sc.open_foreign_result(saved(name, tmp_path))
    assert found.wavelength_m == pytest.approx(WAVELENGTH, rel=1e-6)
    if name in ("ptychodus", "pynx", "ptylab"):
        assert found.distance_m == pytest.approx(SCAN.geometry.distance_m)
    else:
        assert found.distance_m is None


def test_another_geometry_is_told(tmp_path: Path) -> None:
    path = saved("ptychodus", tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs["probe_energy_eV"] = 1.1 * ENERGY_EV
        file.attrs["detector_object_distance_m"] = 2 * SCAN.geometry.distance_m
    notes = sc.open_foreign_result(path).start_for(SCAN).history.notes
    assert any(note.startswith("wavelength is") for note in notes)
    assert any(note.startswith("distance is") for note in notes)


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("flip", [(1, -1), (-1, 1), (-1, -1), (1, 1)])
def test_a_result_in_another_frame_is_turned(
    flip: tuple[int, int], swap: bool, tmp_path: Path
) -> None:
    """The other package saw the patterns, and so all the rest, turned or mirrored."""

    def seen(field: np.ndarray) -> np.ndarray:
        turned = field[..., :: flip[0], :: flip[1]]
        return turned.swapaxes(-1, -2) if swap else turned

    found = sc.open_foreign_result(saved("ptychodus", tmp_path))
    corners = SMALL.corners.copy()
    for axis, size in enumerate((H, W)):
        if flip[axis] < 0:
            corners[:, axis] = size - N - corners[:, axis]
    if swap:
        corners = corners[:, ::-1]
    other = type(found)(
        "made here",
        found.path,
        seen(found.object),
        seen(found.probe),
        found.pixel_size_m,
        corners * PIXEL + 1e-6,
        (1e-6, 1e-6),
    )
    start = other.start_for(SCAN)
    assert start_error(SCAN, start) < 1e-4
    turned = [n for n in start.history.notes if n.startswith("turned")]
    assert bool(turned) == (swap or flip != (1, 1))


@pytest.mark.parametrize("both", [False, True])
def test_the_twin_is_known_by_the_patterns(both: bool, tmp_path: Path) -> None:
    """Conjugate fields, and with them the signs of both positions or the patterns."""
    found = sc.open_foreign_result(saved("ptychodus", tmp_path))
    turn = slice(None, None, -1 if both else 1)
    corners = np.array([H - N, W - N]) - SMALL.corners if both else SMALL.corners
    twin = dataclasses.replace(
        found,
        object=found.object.conj()[turn, turn],
        probe=found.probe.conj()[:, turn, turn],
        positions_m=corners * PIXEL,
        origin_m=(0.0, 0.0),
    )
    start = twin.start_for(SCAN)
    assert start_error(SCAN, start) < 1e-4
    assert start.history.notes[-1].startswith("conjugated")
    straight = found.start_for(SCAN)
    assert not any(note.startswith("conjugated") for note in straight.history.notes)


def test_another_pixel_is_resampled(tmp_path: Path) -> None:
    """The scan is cropped to fewer pixels of the detector: its own pixel is larger."""
    found = sc.open_foreign_result(saved("ptypy", tmp_path))
    part = SCAN.patterns[:, 4:28, 4:28]
    cropped = sc.Scan(part, SCAN.positions_m, SCAN.geometry)
    start = found.start_for(cropped)
    assert start.probe.shape == (2, 24, 24)
    assert start.pixel_size_m == pytest.approx(np.multiply(PIXEL, 32 / 24))
    assert start_error(cropped, start) < 0.2 * start_error(cropped, flat_start(cropped))
    assert any("resampled" in note for note in start.history.notes)


def flat_start(scan: sc.Scan) -> sc.Snapshot:
    """Return a disc on a flat object."""
    return begin(scan, sc.DiscProbe(0.3 * 24 * scan.pixel_size_m[0]), modes=2)


# -- the probe alone ------------------------------------------------------------------
def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """|<a, b>| over both norms."""
    product = abs(np.vdot(first, second))
    return float(product / np.linalg.norm(first) / np.linalg.norm(second))


@pytest.mark.parametrize("name", FOREIGN)
def test_a_probe_file_may_be_a_result_of_another_package(
    name: str, tmp_path: Path
) -> None:
    first = begin(SCAN, sc.ProbeFile(path=saved(name, tmp_path)))
    assert overlap(first.probe, SMALL.probe) > 1 - 1e-5


def test_a_probe_of_other_pixels_is_resampled(tmp_path: Path) -> None:
    cropped = sc.Scan(SCAN.patterns[:, 4:28, 4:28], SCAN.positions_m, SCAN.geometry)
    probe = begin(cropped, sc.ProbeFile(path=saved("ptypy", tmp_path))).probe
    spectrum = np.fft.fftshift(np.fft.fft2(SMALL.probe), axes=(1, 2))[:, 4:28, 4:28]
    # The zero pixel of both lies in the middle: a shift of 16 and of 12 pixels.
    y, x = (np.arange(24) - 12)[:, None], (np.arange(24) - 12)[None]
    centred = spectrum * np.exp(2j * np.pi * 16 / 32 * (y + x))
    smaller = np.fft.ifft2(
        np.fft.ifftshift(centred * np.exp(-2j * np.pi * 12 / 24 * (y + x)), axes=(1, 2))
    )
    assert overlap(probe, smaller) > 0.99


def test_a_probe_without_its_pixel_must_have_the_frame_of_the_scan(
    tmp_path: Path,
) -> None:
    path = saved("ptypy", tmp_path)
    with h5py.File(path, "r+") as file:
        del file["content/obj/SMFG00/_psize"]
    found = sc.open_foreign_result(path)
    assert found.pixel_size_m is None
    notes = found.start_for(SCAN).history.notes
    assert any("centred" in note for note in notes)
    cropped = sc.Scan(SCAN.patterns[:, 4:28, 4:28], SCAN.positions_m, SCAN.geometry)
    for use in (found.start_for, found.probe_for):
        with pytest.raises(sc.InputError, match="does not tell its object pixel"):
            use(cropped)


# -- what is no result of another package ---------------------------------------------
@pytest.mark.parametrize("kind", ["missing", "text", "ours", "not finite", "empty"])
def test_what_cannot_be_used_is_refused_with_a_sentence(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "result.h5"
    if kind == "text":
        path.write_text("no result")
    elif kind == "ours":
        sc.save_result(path, SMALL.start())
    elif kind in ("not finite", "empty"):
        path = saved("ptychodus", tmp_path)
        with h5py.File(path, "r+") as file:
            file["object"][...] = np.nan if kind == "not finite" else 0
    with pytest.raises(sc.InputError, match=path.name) as caught:
        sc.open_foreign_result(path)
    assert "\n" not in str(caught.value)


def test_a_near_field_result_is_a_start_too(tmp_path: Path) -> None:
    near = small_scan(view=(32, 32), grid=(4, 5), near=True)
    state = near.start(
        object=near.object.astype(np.complex64), probe=near.probe.astype(np.complex64)
    )
    save_product(tmp_path / "near.h5", state)
    start = sc.open_foreign_result(tmp_path / "near.h5").start_for(near.scan)
    assert start_error(near.scan, start) < 0.1 * start_error(near.scan, near.start())


def test_a_run_goes_on_from_it_and_its_result_tells_so(tmp_path: Path) -> None:
    start = sc.open_foreign_result(saved("ptypy", tmp_path)).start_for(SCAN)
    last = sc.run(SCAN, sc.RPIE(), epochs=2, start=start, device="cpu")
    sc.save_result(tmp_path / "r.h5", last)
    notes = sc.open_result(tmp_path / "r.h5").history.notes
    assert notes[0] == "start from ptypy.bin of PtyPy"
    assert last.epoch == 2 and last.error < 1e-3


ODD = {
    "text": "none",
    "number": 1.5,
    "row": np.arange(3.0),
    "whole numbers": np.ones((2, 2), np.int16),
    "five axes": np.ones((1, 1, 2, 3, 4)),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", FOREIGN)
def test_odd_parts_give_a_result_or_a_sentence(
    name: str, odd: str, tmp_path: Path
) -> None:
    """Whatever one part of a file is: nothing but an InputError is raised."""
    path = saved(name, tmp_path)
    parts: list[str] = []
    with h5py.File(path) as file:
        file.visititems(
            lambda part, item: parts.append(part) if hasattr(item, "shape") else None
        )
    refused = 0
    for part in parts:
        path = saved(name, tmp_path)
        with h5py.File(path, "r+") as file:
            del file[part]
            file[part] = ODD[odd]
        try:
            sc.open_foreign_result(path).start_for(SCAN)
        except sc.InputError as error:
            assert path.name in str(error) and "\n" not in str(error)
            refused += 1
    assert refused, "an object that is no image is refused at least"
