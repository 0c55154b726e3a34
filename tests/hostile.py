"""Named hostile inputs: for each, what must happen when it is read."""

from __future__ import annotations

import os
import socket
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import h5py
import numpy as np

import napari_scicompty as sc
from napari_scicompty.files.hdf5_writing import CHECKSUMS
from napari_scicompty.formats import save_scan
from napari_scicompty.workflow.start import begin

if TYPE_CHECKING:
    from collections.abc import Callable

N, H, W = 4, 16, 16
GEOMETRY = sc.Geometry(1e-10, 1.0, 50e-6)
STACK = np.random.default_rng(0).poisson(20, (N, H, W)).astype(np.uint16)
PIXEL = np.array(GEOMETRY.pixel_size_m((H, W)))
YX = np.mgrid[:2, :2].reshape(2, -1).T * 3 * PIXEL
SECRET = "a-secret-of-another-folder"
Must = Literal["refused", "opens", "either"]
"""One sentence, or read as what it is; never silence, a traceback or worse."""


class Case(NamedTuple):
    """One input: how it is written, and what must happen."""

    kind: str
    write: Callable[[Path], Any]
    must: Must = "refused"
    says: str = ""
    """In the sentence or in the report."""


CASES: dict[str, Case] = {}


def scan() -> sc.Scan:
    return sc.Scan(STACK, YX, GEOMETRY)


def snapshot() -> sc.Snapshot:
    return begin(scan(), sc.DiscProbe(5 * PIXEL[0]), modes=2)


# -- what stands in the place of a file -----------------------------------------------
def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket has at most 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def _looping(path: Path) -> None:
    path.symlink_to(path.name)


PLACES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "pipe": (_fifo, "no regular file"),
    "socket": (_socket, "no regular file"),
    "zero": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "null": (lambda path: path.symlink_to("/dev/null"), "no regular file"),
    "random": (lambda path: path.symlink_to("/dev/urandom"), "no regular file"),
    "folder": (lambda path: path.mkdir(), ""),
    "loop": (_looping, ""),
    "nothing": (lambda path: None, "no such file"),
    "empty": (lambda path: path.touch(), "is empty"),
    "dangling": (lambda path: path.symlink_to("nowhere"), "no such file"),
    "one byte": (lambda path: path.write_bytes(b"\0"), ""),
    "noise": (
        lambda path: path.write_bytes(np.random.default_rng(1).bytes(5000)),
        "",
    ),
    "zeros": (lambda path: path.write_bytes(bytes(5000)), ""),
    "nulls in a tera": (lambda path: _sparse(path, 2**40), ""),
    "npz": (lambda path: np.savez(path.open("wb"), a=STACK), ""),
    "signature only": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"), ""),
}
PLACED = (
    "tiff", "npy", "cxi", "hdf5", "text", "positions-npy", "positions-hdf5", "recipe",
    "result", "probe-npy", "probe-hdf5", "picture", "object", "truth",
)  # fmt: skip
for _kind in PLACED:
    for _name, (_write, _says) in PLACES.items():
        CASES[f"{_kind}: {_name}"] = Case(_kind, _write, "refused", "")
for _kind in ("tiff", "npy", "text", "recipe", "probe-npy", "picture", "cxi", "hdf5"):
    for _name in ("pipe", "socket", "zero", "null"):
        CASES[f"{_kind}: {_name}"] = Case(
            _kind, PLACES[_name][0], says="no regular file"
        )


def _sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


# -- what stands in the place of a dataset --------------------------------------------
def _new(**options: Any) -> Callable[[h5py.File, str, Path], None]:
    def make(file: h5py.File, name: str, folder: Path) -> None:
        del folder
        file.create_dataset(name, **options)

    return make


def _link(target: Callable[[Path], str], inside: str = "/x") -> Any:
    def make(file: h5py.File, name: str, folder: Path) -> None:
        file[name] = h5py.ExternalLink(target(folder), inside)

    return make


def _pipe(folder: Path) -> str:
    return str(_fifo(folder / "pipe.h5"))


def _text(folder: Path) -> str:
    (folder / "text.h5").write_text("no HDF5")
    return "text.h5"


def _onward(folder: Path) -> str:
    """A file that is fine, with a link to a pipe in it."""
    with h5py.File(folder / "onward.h5", "w") as file:
        file["x"] = h5py.ExternalLink(_pipe(folder), "/x")
    return "onward.h5"


def _to_itself(file: h5py.File, name: str, folder: Path) -> None:
    del folder
    file[name] = h5py.ExternalLink(file.filename, name)


def _outside(file: h5py.File, name: str, folder: Path) -> None:
    other = folder.parent / "other"
    other.mkdir()
    (other / "secret").write_text(SECRET)
    file.create_dataset(name, (1,), "S26", external=[(str(other / "secret"), 0, 26)])


def _passwords(file: h5py.File, name: str, folder: Path) -> None:
    del folder
    file.create_dataset(name, (1,), "S32", external=[("/etc/passwd", 0, 32)])


def _raw_pipe(file: h5py.File, name: str, folder: Path) -> None:
    """In the place of raw data."""
    place = Path(file.filename).parent / "raw"
    file.create_dataset(name, (N, 2), "f8", external=[(str(place), 0, 64)])
    place.unlink(missing_ok=True)
    _fifo(place)


def _virtual(target: Callable[[Path], str], inside: str) -> Any:
    def make(file: h5py.File, name: str, folder: Path) -> None:
        layout = h5py.VirtualLayout((N, H, W), "f4")
        layout[:] = h5py.VirtualSource(target(folder), inside or name, (N, H, W))
        file.create_virtual_dataset(name, layout)

    return make


def _in_turn(file: h5py.File, name: str, folder: Path) -> None:
    layout = h5py.VirtualLayout((N, H, W), "f4")
    layout[:] = h5py.VirtualSource(file.filename, name, (N, H, W))
    with h5py.File(folder / "turn.h5", "w") as other:
        other.create_virtual_dataset("x", layout)
    _virtual(lambda _: "turn.h5", "x")(file, name, folder)


def _bomb(file: h5py.File, name: str, folder: Path) -> None:
    """3.2 GB of zeros in a file of some MB."""
    del folder
    rows = 2**20
    data = file.create_dataset(
        name, (200 * rows, 2), "f8", chunks=(rows, 2), compression="gzip"
    )
    packed = zlib.compress(bytes(16 * rows), 9)
    for number in range(200):
        data.id.write_direct_chunk((number * rows, 0), packed)


def _nested(file: h5py.File, name: str, folder: Path) -> None:
    del folder
    group = file.create_group(name)
    for _ in range(500):
        group = group.create_group("g")
    group["x"] = 1.0


TRAPS: dict[str, Callable[[h5py.File, str, Path], Any]] = {
    "group": lambda file, name, _: file.create_group(name),
    "text": _new(data="abc"),
    "complex": _new(data=np.full((N, H, W), 1 + 1j)),
    "one complex": _new(data=1e-10 + 1j),
    "nan": _new(data=np.full((N, 3), np.nan)),
    "one nan": _new(data=np.nan),
    "inf": _new(data=np.full((N, 3), np.inf)),
    "nothing": lambda file, name, _: file.__setitem__(name, h5py.Empty("f8")),
    "no rows": _new(data=np.zeros((0, 3))),
    "seven axes": _new(data=np.zeros((1, 2, 1, 2, 1, 3, 2))),
    "declared": _new(shape=(10**6, 10**6), dtype="f8", chunks=(64, 64)),
    "beyond all": _new(shape=(2**30, 2**30), dtype="f8", chunks=(64, 64)),
    "chunk of 3 GB": _new(shape=(2**29, 2), dtype="f8", chunks=(2**27, 2)),
    "bomb": _bomb,
    "pipe": _link(_pipe),
    "pipe behind a file": _link(_onward),
    "zero": _link(lambda _: "/dev/zero"),
    "folder": _link(lambda folder: str(folder)),
    "no HDF5": _link(_text),
    "lost": _link(lambda _: "gone.h5"),
    "circle": lambda file, name, _: file.__setitem__(name, h5py.SoftLink("/" + name)),
    "circle of files": _to_itself,
    "passwords": _passwords,
    "secret": _outside,
    "raw pipe": _raw_pipe,
    "virtual of itself": _virtual(lambda _: ".", ""),
    "virtual in turn": _in_turn,
    "virtual pipe": _virtual(_pipe, "x"),
    "virtual zero": _virtual(lambda _: "/dev/zero", "x"),
    "compound": _new(data=np.zeros(N, [("a", "f8"), ("b", "i4")])),
    "lists": _new(shape=(N,), dtype=h5py.vlen_dtype("i4")),
    "references": _new(shape=(N,), dtype=h5py.ref_dtype),
    "long text": _new(data=np.array([b"x" * 5000] * 3)),
    "nested": _nested,
}


def trapped(
    base: Callable[[Path], Any], name: str, trap: Callable[[h5py.File, str, Path], Any]
) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        base(path)
        with h5py.File(path, "a") as file:
            for gone in (name, CHECKSUMS):  # as in a file of another program
                if gone in file:
                    del file[gone]
            trap(file, name, path.parent)

    return write


def write_cxi(path: Path) -> None:
    made = scan().replace(mask=np.arange(H * W).reshape(H, W) != 7)
    save_scan(path, made)


def write_truth(path: Path) -> None:
    small = {"detector": {"frame": 16}, "path": {"rows": 2, "columns": 2, "step_px": 3}}
    save_scan(path, *sc.simulate(sc.VirtualExperiment(**small)))


def write_plain(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["camera/counts"] = STACK
        file["camera/good"] = np.ones((H, W), "u1")
        file["scan/xy"] = YX[:, ::-1]
        file["beam/lambda"] = 1e-10
        file["beam/distance"] = 1.0
        file["camera/pixel"] = [50e-6, 50e-6]


def write_positions(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["sample_motors/sample_x_pos"] = YX[:, 1] * 1e6
        file["sample_motors/sample_y_pos"] = YX[:, 0] * 1e6


def write_result(path: Path) -> None:
    sc.save_result(path, snapshot())


DETECTOR = "entry_1/instrument_1/detector_1/"
DATASETS: dict[str, tuple[Callable[[Path], Any], tuple[str, ...]]] = {
    "cxi": (
        write_cxi,
        (
            DETECTOR + "data",
            "entry_1/sample_1/geometry_1/translation",
            DETECTOR + "mask",
            DETECTOR + "distance",
            "entry_1/instrument_1/source_1/wavelength",
            DETECTOR + "basis_vectors",
            "napari_scicompty/report",
        ),
    ),
    "hdf5": (
        write_plain,
        ("camera/counts", "camera/good", "scan/xy", "beam/lambda", "beam/distance"),
    ),
    "positions-hdf5": (write_positions, ("sample_motors/sample_x_pos",)),
    "result": (
        write_result,
        ("object", "probe", "positions_m", "settings", "history/epochs"),
    ),
    "probe-hdf5": (write_result, ("probe",)),
    "object": (write_result, ("object",)),
    "truth": (write_truth, ("napari_scicompty/truth/object",)),
}
_BROUGHT_BACK = {
    ("probe-hdf5", "probe", "complex"): "",
    ("result", "probe", "complex"): "",  # what may be left out, or be such a thing
    ("cxi", "mask", "lost"): "which is not there",
    ("cxi", "basis_vectors", "lost"): "which is not there",
    ("cxi", "wavelength", "lost"): "which is not there",
    ("cxi", "wavelength", "one nan"): "not used",
    ("cxi", "distance", "lost"): "which is not there",
    ("cxi", "distance", "one nan"): "not used",
    ("cxi", "distance", "nan"): "not used",
    ("cxi", "distance", "inf"): "not used",
    ("cxi", "wavelength", "nan"): "not used",
    ("cxi", "wavelength", "inf"): "not used",
    ("cxi", "report", "text"): "abc",
    ("cxi", "report", "long text"): "",
}
for _kind, (_base, _names) in DATASETS.items():
    for _path in _names:
        for _trap, _make in TRAPS.items():
            _last = _path.rpartition("/")[2]
            _opens = _BROUGHT_BACK.get((_kind, _last, _trap))
            CASES[f"{_kind}: {_trap} as {_path}"] = Case(
                _kind,
                trapped(_base, _path, _make),
                "refused" if _opens is None else "opens",
                _opens or "",
            )
for _trap, _make in TRAPS.items():
    CASES[f"listing: {_trap}"] = Case(
        "listing", trapped(write_plain, "trap", _make), "opens", "camera/counts"
    )


def _many_datasets(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        for j in range(20_000):
            file.create_dataset(f"{j:05}", (), "f8")


def _deep(path: Path) -> None:
    write_plain(path)
    with h5py.File(path, "a") as file:
        group = file
        for _ in range(5000):
            group = group.create_group("a")


CASES["listing: 20000 datasets"] = Case(
    "listing", _many_datasets, "opens", "only the first"
)
CASES["listing: 5000 groups in groups"] = Case(
    "listing", _deep, "opens", "camera/counts"
)
