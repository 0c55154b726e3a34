"""Valid files of the layouts of other programs, for the fuzzer to mutate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from hostile import STACK, YX

if TYPE_CHECKING:
    from pathlib import Path

N, H, W = STACK.shape
GRID = STACK.reshape(2, -1, H, W)


def _write(path: Path, held: dict[str, object]) -> None:
    with h5py.File(path, "w") as file:
        for name, value in held.items():
            file[name] = value


def dectris(path: Path) -> None:
    detector = "entry/instrument/detector/"
    held = {
        "entry/data/data_000001": STACK[:2],
        "entry/data/data_000002": STACK[2:],
        detector + "detector_distance": 1.0,
        detector + "x_pixel_size": 5e-5,
        detector + "beam_center_x": 3.0,
        detector + "beam_center_y": 3.0,
        detector + "detectorSpecific/pixel_mask": np.zeros((H, W), "u4"),
        detector + "detectorSpecific/countrate_correction_count_cutoff": 5000,
        "entry/instrument/beam/incident_wavelength": 1.0,
    }
    _write(path, held)


def ptyd(path: Path) -> None:
    held: dict[str, object] = {
        "meta/energy": 9.0,
        "meta/distance": 1.0,
        "meta/psize": [5e-5] * 2,
    }
    for k, part in enumerate((slice(0, 2), slice(2, None))):
        held[f"chunks/{k}/data"] = STACK[part]
        held[f"chunks/{k}/positions"] = YX[part]
        held[f"chunks/{k}/weights"] = np.ones(STACK[part].shape)
    _write(path, held)


def ptylab(path: Path) -> None:
    numbers = {"wavelength": 1e-10, "dxd": 5e-5, "zo": 1.0, "orientation": 1}
    _write(path, {"ptychogram": STACK, "encoder": YX, **numbers})


def hxn(path: Path) -> None:
    numbers = {"lambda_nm": 0.1, "z_m": 1.0, "ccd_pixel_um": 50.0}
    _write(path, {"diffamp": STACK, "points": YX.T * 1e6, **numbers})


def ptychodus(path: Path) -> None:
    held = {"indexes": np.arange(N), "bad_pixels": np.zeros((H, W), bool)}
    _write(path, {"patterns": STACK, **held})


def emd(path: Path) -> None:
    with h5py.File(path, "w") as file:
        cube = file.create_group("root/cube")
        cube.attrs["emd_group_type"] = "array"
        cube["data"] = GRID
        for number in range(4):
            cube[f"dim{number}"] = [0.0, 0.01]
            cube[f"dim{number}"].attrs["units"] = "nm" if number < 2 else "A^-1"


def hspy(path: Path) -> None:
    with h5py.File(path, "w") as file:
        one = file.create_group("Experiments/one")
        one["data"] = GRID
        for number in range(4):
            axis = one.create_group(f"axis-{number}")
            axis.attrs["scale"] = 0.1
            axis.attrs["units"] = "nm" if number < 2 else "1/nm"
        one.create_group("metadata/Acquisition_instrument/TEM").attrs["beam_energy"] = (
            300.0
        )


def npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, patterns=STACK, indexes=np.arange(N))


def mat(path: Path) -> None:
    from scipy import io

    with path.open("wb") as file:
        io.savemat(file, {"dp": np.moveaxis(STACK, 0, -1), "xy": YX})


def empad(path: Path) -> None:
    np.random.default_rng(0).poisson(9, (4, 130, 128)).astype("<f4").tofile(path)


def mib(path: Path) -> None:
    head = f"MQ1,000001,00384,01,{W:04d},{H:04d},U16,".encode().ljust(384, b"\0")
    path.write_bytes(b"".join(head + frame.astype(">u2").tobytes() for frame in STACK))


def picture(path: Path) -> None:
    from skimage import io

    io.imsave(path, STACK[0].astype("u1"), check_contrast=False)


READERS = {
    "dectris": (".h5", dectris),
    "ptyd": (".ptyd", ptyd),
    "ptylab": (".h5", ptylab),
    "hxn": (".h5", hxn),
    "ptychodus": (".h5", ptychodus),
    "emd": (".emd", emd),
    "hspy": (".hspy", hspy),
    "npz": (".npz", npz),
    "matlab": (".mat", mat),
    "empad": (".raw", empad),
    "mib": (".mib", mib),
    "picture-mask": (".png", picture),
}
"""Suffix, and what writes a valid file, by the name of the kind."""
