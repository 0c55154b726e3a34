"""Ten files of other programs, opened by somebody who knows nothing of conventions.

One simulated scan is written in ten ways, each with its patterns turned or mirrored as
that laboratory's camera is. Who opens it types only what is not in the file, clicks
what the lights propose, and then Run:

    python tests/benchmarks/strangers.py FOLDER

A row a file: clicks, seconds from Open to the end of the run, and |C| with the truth
(the picture may be mirrored or turned, which no pattern can tell). The files have the
layouts of the programs; which originals were opened stands in the page on formats.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import scipy.io
import tifffile

import napari_scicompty as sc
from napari_scicompty.workflow.orientation_search import ALL

if TYPE_CHECKING:
    from collections.abc import Callable

EXPERIMENT = sc.VirtualExperiment(
    object={"kind": "cells"},
    probe={"kind": "disc", "radius": 0.22},
    path={"kind": "jittered-raster", "rows": 11, "columns": 11, "step_px": 8},
    detector={"frame": 64, "photons": 3e5},
    focus_sample_m=5e-3,
)
SCAN, TRUTH = sc.simulate(EXPERIMENT)
G = SCAN.geometry
PIXEL = G.detector_pixel_m[0]
HC_EV_M = 1.23984198e-6
ENERGY_EV = HC_EV_M / G.wavelength_m
POSITIONS = SCAN.positions_m
Opened = dict[str, Any]
"""What is given when a file is opened: path, positions, choices."""


def turned(number: int) -> np.ndarray:
    """Patterns as a camera of another laboratory sees them."""
    return np.ascontiguousarray(ALL[number % 8].apply(SCAN).patterns).astype(np.uint32)


def _tiff(folder: Path) -> Opened:
    tifffile.imwrite(folder / "stack.tif", turned(1), photometric="minisblack")
    names = "x [um],y [um]"
    um = POSITIONS[:, ::-1] * 1e6
    np.savetxt(folder / "pos.csv", um, "%.9g", ",", header=names, comments="")
    beam = {"energy_ev": ENERGY_EV, "distance_m": G.distance_m}
    files = {"path": folder / "stack.tif", "positions": folder / "pos.csv"}
    return files | beam | {"detector_pixel_m": PIXEL}


def _cxi(folder: Path, name: str, turn: int, *, transposed: bool) -> Opened:
    with h5py.File(folder / name, "w") as file:
        file["cxi_version"] = 160
        instrument = file.create_group("entry_1/instrument_1")
        instrument["source_1/energy"] = ENERGY_EV * 1.602176634e-19
        detector = instrument.create_group("detector_1")
        detector["data"] = turned(turn)
        detector["distance"] = G.distance_m
        detector["x_pixel_size"] = detector["y_pixel_size"] = PIXEL
        motion = -np.column_stack([POSITIONS[:, ::-1], np.zeros(len(POSITIONS))])
        place = "entry_1/sample_1/geometry_1/translation"
        file[place] = motion.T if transposed else motion
        file["entry_1/data_1/data"] = h5py.SoftLink(
            "/entry_1/instrument_1/detector_1/data"
        )
    return {"path": folder / name}


def _nexus(folder: Path) -> Opened:
    with h5py.File(folder / "scan.nxs", "w") as file:
        entry = file.create_group("entry_1")
        entry["definition"] = "NXcxi_ptycho"
        beam = entry.create_group("instrument_1/beam_1")
        beam["incident_beam_energy"] = ENERGY_EV / 1e3
        beam["incident_beam_energy"].attrs["units"] = "keV"
        entry["instrument_1/source_1/energy"] = 3.0
        entry["instrument_1/source_1/energy"].attrs["units"] = "GeV"
        detector = entry.create_group("instrument_1/detector_1")
        detector["data"] = turned(3)
        for key, value in {
            "distance": (G.distance_m * 1e3, "mm"),
            "x_pixel_size": (PIXEL * 1e6, "um"),
            "y_pixel_size": (PIXEL * 1e6, "um"),
        }.items():
            detector[key] = value[0]
            detector[key].attrs["units"] = value[1]
        where = np.column_stack([-POSITIONS[:, ::-1], np.zeros(len(POSITIONS))]) * 1e6
        detector["translation"] = where
        detector["translation"].attrs["units"] = "um"
        entry["data_1/data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
        entry["data_1/translation"] = h5py.SoftLink(
            "/entry_1/instrument_1/detector_1/translation"
        )
    return {"path": folder / "scan.nxs"}


def _ptyd(folder: Path) -> Opened:
    sc.save_scan(folder / "scan.ptyd", ALL[4].apply(SCAN), overwrite=True)
    return {"path": folder / "scan.ptyd"}


def _ptylab(folder: Path) -> Opened:
    with h5py.File(folder / "ptylab.hdf5", "w") as file:
        file["ptychogram"] = turned(5).astype(np.float32)
        file["encoder"] = POSITIONS
        file["wavelength"], file["dxd"], file["zo"] = (
            G.wavelength_m,
            PIXEL,
            G.distance_m,
        )
    return {"path": folder / "ptylab.hdf5"}


def _ptychodus(folder: Path) -> Opened:
    numbers = np.arange(len(SCAN))
    bad = np.zeros(SCAN.frame_shape, bool)
    np.savez(folder / "d.npz", patterns=turned(6), indexes=numbers, bad_pixels=bad)
    with h5py.File(folder / "product.h5", "w") as file:
        file.attrs["probe_energy_eV"] = ENERGY_EV
        file.attrs["detector_object_distance_m"] = G.distance_m
        file["probe_position_indexes"] = numbers
        file["probe_position_x_m"], file["probe_position_y_m"] = POSITIONS.T[::-1]
        pixel = SCAN.pixel_size_m[0]
        probe = file.create_dataset("probe", data=np.ones((1, 1, 64, 64), complex))
        probe.attrs["pixel_width_m"] = probe.attrs["pixel_height_m"] = pixel
    given = {"detector_pixel_m": PIXEL, "energy_ev": ENERGY_EV}
    files = {"path": folder / "d.npz", "positions": folder / "product.h5"}
    return files | given | {"distance_m": G.distance_m}


def _master(folder: Path) -> Opened:
    frames = turned(7)
    with h5py.File(folder / "s_master.h5", "w") as file:
        data = file.create_group("entry/data")
        for n, part in enumerate(np.array_split(frames, 3), 1):
            name = f"s_data_{n:06d}.h5"
            with h5py.File(folder / name, "w") as piece:
                piece["entry/data/data"] = part
            data[f"data_{n:06d}"] = h5py.ExternalLink(name, "entry/data/data")
        details = file.create_group("entry/instrument/detector")
        for key, value in {
            "x_pixel_size": PIXEL, "y_pixel_size": PIXEL,
            "detector_distance": G.distance_m,
        }.items():  # fmt: skip
            details[key] = value
            details[key].attrs["units"] = "m"
        file["entry/instrument/beam/incident_wavelength"] = G.wavelength_m * 1e10
        file["entry/instrument/beam/incident_wavelength"].attrs["units"] = "angstrom"
    np.savetxt(folder / "motors.txt", POSITIONS[:, ::-1], header="x_m y_m")
    return {"path": folder / "s_master.h5", "positions": folder / "motors.txt"}


def _matlab(folder: Path) -> Opened:
    frames = turned(2).transpose(1, 2, 0).astype(np.float64)
    scipy.io.savemat(folder / "scan.mat", {"dp": frames})
    np.savetxt(folder / "p.txt", POSITIONS[:, ::-1])
    beam = {"wavelength_m": G.wavelength_m, "distance_m": G.distance_m}
    files = {"path": folder / "scan.mat", "positions": folder / "p.txt"}
    return files | beam | {"detector_pixel_m": PIXEL}


def _hdf5(folder: Path) -> Opened:
    with h5py.File(folder / "plain.h5", "w") as file:
        file["camera/frames"] = turned(3)
        file["stage/xy"] = POSITIONS[:, ::-1] * 1e6
        file["stage/xy"].attrs["units"] = "um"
        file["wavelength_m"] = G.wavelength_m
        file["distance_m"], file["pixel_m"] = G.distance_m, PIXEL
    return {
        "path": folder / "plain.h5",
        "positions_key": "stage/xy",
        "wavelength_key": "wavelength_m",
        "distance_key": "distance_m",
        "detector_pixel_key": "pixel_m",
    }


FILES: dict[str, Callable[[Path], Opened]] = {
    "TIFF stack and CSV in um": _tiff,
    "CXI of cdtools": lambda f: _cxi(f, "cdtools.cxi", 2, transposed=False),
    "CXI of PyNX": lambda f: _cxi(f, "pynx.cxi", 6, transposed=True),
    "NXcxi_ptycho": _nexus,
    ".ptyd of PtyPy": _ptyd,
    "HDF5 of PtyLab": _ptylab,
    "NPZ and product of Ptychodus": _ptychodus,
    "Dectris master of three files": _master,
    "MATLAB v5": _matlab,
    "plain HDF5": _hdf5,
}


def correlation(snapshot: sc.Snapshot) -> float:
    """|C| with the truth, of the best of the ways in which a picture may lie."""
    best = 0.0
    for turn in ALL:
        m = turn.frames_matrix
        for conjugate in (False, True):
            field = snapshot.object.conj() if conjugate else snapshot.object
            if m[0, 1]:
                field = field.T
            rows, columns = (slice(None, None, -1 if s.sum() < 0 else 1) for s in m)
            best = max(best, _overlap(field[rows, columns], TRUTH.object))
    return best


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Largest |cross-correlation| of the middles, means taken off."""
    side = 72
    cut = [
        f[(f.shape[0] - side) // 2 :, (f.shape[1] - side) // 2 :][:side, :side]
        for f in (one, other)
    ]
    waves = [np.fft.fft2(c - c.mean()) for c in cut]
    crossed = np.abs(np.fft.ifft2(waves[0] * waves[1].conj()))
    return float(crossed.max() * side**2 / np.prod([np.linalg.norm(w) for w in waves]))


def journey(given: Opened) -> tuple[int, float, sc.Snapshot, list[str]]:
    """Open, click what the lights propose, run."""
    began = time.perf_counter()
    clicks, told = 2, []  # the file, and Open
    given = dict(given)
    while True:
        scan = sc.open_scan(**given)
        wrong = [
            f for f in sc.check(scan, device="cpu") if f.level != "ok" and f.change
        ]
        if not wrong or clicks > 6:
            break
        told.append(wrong[0].code)
        given |= dict(wrong[0].change)
        clicks += 1
    snapshot = sc.run(scan, device="cpu")
    return clicks + 1, time.perf_counter() - began, snapshot, told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    sc.run(SCAN, device="cpu")  # compiles the kernels
    times, right = [], 0
    for name, write in FILES.items():
        given = write(folder)
        clicks, seconds, snapshot, told = journey(given)
        found = correlation(snapshot)
        times.append(seconds)
        right += found > 0.9
        print(
            f"{name}: {clicks} clicks ({', '.join(told) or 'nothing proposed'}), "
            f"{seconds:.1f} s, error {snapshot.error:.4f}, |C| {found:.3f}",
            flush=True,
        )
    print(f"{right} of {len(FILES)} right; median {np.median(times):.1f} s")


if __name__ == "__main__":
    main()
