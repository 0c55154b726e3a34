"""What the fuzzer reads: each kind of file, read as a user would, and valid ones."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import h5py
import numpy as np
import tifffile

import napari_scicompty as sc
from fuzz import Kind
from fuzz_readers import READERS
from hostile import (
    GEOMETRY,
    SECRET,
    STACK,
    YX,
    scan,
    write_cxi,
    write_plain,
    write_positions,
    write_result,
    write_truth,
)
from napari_scicompty.cli import _show
from napari_scicompty.formats import list_datasets, open_positions, read_patterns
from napari_scicompty.recipe import FileInput, Stage
from napari_scicompty.results import is_result, provenance, stored_recipe

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {
    "data_key": "camera/counts",
    "mask_key": "camera/good",
    "positions_key": "scan/xy",
    "wavelength_key": "beam/lambda",
    "distance_key": "beam/distance",
    "detector_pixel_key": "camera/pixel",
}


def _scan(path: Path) -> str:
    """Open patterns whose positions come from elsewhere, as many as there are."""
    raw = read_patterns(path)
    count = len(raw.patterns)
    positions = np.arange(2 * count).reshape(count, 2) % 40 * 1e-7
    return _told(sc.Scan(raw.patterns, positions, GEOMETRY, raw.mask, raw.report))


def _told(opened: sc.Scan) -> str:
    return "\n".join(f"{name}: {text}" for name, text in _show.describe_scan(opened))


def _reader(path: Path) -> str:
    """Open what a program left, with what it may lack; one frame is read alone."""
    raw = read_patterns(path)
    first = np.asarray(raw.patterns[0], float)
    if not np.isfinite(first).any():
        return f"{raw.patterns.shape} of nothing finite"
    rest = {} if len(raw.patterns) < 2 else {"scan_rows": 1, "scan_step_m": 1e-7}
    geometry = {"wavelength_m": 1e-10, "distance_m": 1.0, "detector_pixel_m": 5e-5}
    return _told(sc.open_scan(path, **rest, **geometry)) if rest else str(first.sum())


def _listing(path: Path) -> str:
    text = "\n".join(f"{row.path}: {row} {row.fits}" for row in list_datasets(path))
    if SECRET in text or "root:" in text:
        raise AssertionError(f"a secret was told: {text}")
    return text


def _plain(path: Path) -> str:
    _listing(path)
    return _told(sc.open_scan(path, **KEYS))


def _recipe(path: Path) -> str:
    recipe = sc.Recipe.load(path)
    if isinstance(recipe.input, FileInput):
        return _told(recipe.scan())
    return recipe.to_toml()


def _experiment(path: Path) -> str:
    return _told(sc.Recipe.load(path).scan())


def _result(path: Path) -> str:
    is_result(path), stored_recipe(path)
    lines = _show.describe_result(sc.open_result(path), provenance(path))
    return "\n".join(f"{name}: {text}" for name, text in lines)


@functools.cache
def _patterns() -> sc.Scan:
    return scan()


def _probe(path: Path) -> str:
    return str(sc.ProbeFile(path).first_mode(_patterns()).shape)


def _drawn(path: Path, part: dict[str, str]) -> str:
    experiment = sc.VirtualExperiment(object=part)
    return str(experiment.object.draw((20, 20), np.random.default_rng(0)).shape)


def _tiff(**options: object) -> object:
    return lambda path: tifffile.imwrite(
        path, STACK, photometric="minisblack", **options
    )


def _positions_text(path: Path) -> None:
    np.savetxt(path, YX[:, ::-1], header="x_m y_m")


def _plain_chunked(path: Path) -> None:
    write_plain(path)
    with h5py.File(path, "a") as file:
        del file["camera/counts"]
        file.create_dataset(
            "camera/counts", data=STACK, chunks=(1, 16, 16), compression="gzip"
        )


def _recipe_text(path: Path) -> None:
    stage = Stage(refine=(sc.LeastSquaresShift(),), epochs=7)
    recipe = sc.Recipe.of_experiment(sc.VirtualExperiment(), stage, modes=2)
    path.write_text(recipe.to_toml())


def _picture(path: Path) -> None:
    from skimage import io

    io.imsave(path, (np.arange(4096) % 251).astype("u1").reshape(64, 64))


KINDS = {
    "tiff": Kind(
        ".tif",
        _scan,
        (
            _tiff(),
            _tiff(compression="zlib"),
            _tiff(imagej=True),
            _tiff(ome=True),
            _tiff(compression="zlib", tile=(16, 16), predictor=True),
        ),
    ),
    "npy": Kind(".npy", _scan, (lambda path: np.save(path, STACK),)),
    "cxi": Kind(".cxi", lambda path: _told(sc.open_scan(path)), (write_cxi,)),
    "hdf5": Kind(".h5", _plain, (write_plain, _plain_chunked)),
    "listing": Kind(".h5", _listing, (write_plain, write_result)),
    "text": Kind(".txt", lambda p: str(open_positions(p).shape), (_positions_text,)),
    "positions-npy": Kind(
        ".npy",
        lambda path: str(open_positions(path).shape),
        (lambda path: np.save(path, YX),),
    ),
    "positions-hdf5": Kind(
        ".h5", lambda path: str(open_positions(path).shape), (write_positions,)
    ),
    "recipe": Kind(".toml", _recipe, (_recipe_text,)),
    "experiment": Kind(".toml", _experiment, ()),
    "result": Kind(".h5", _result, (write_result,)),
    "probe-npy": Kind(
        ".npy", _probe, (lambda path: np.save(path, np.ones((2, 16, 16), "c8")),)
    ),
    "probe-hdf5": Kind(".h5", _probe, (write_result,)),
    "object": Kind(
        ".h5",
        lambda path: _drawn(path, {"kind": "result", "path": str(path)}),
        (write_result,),
    ),
    "picture": Kind(
        ".tif",
        lambda path: _drawn(path, {"kind": "pictures", "phase": str(path)}),
        (_picture,),
    ),
    "picture-png": Kind(
        ".png",
        lambda path: _drawn(path, {"kind": "pictures", "phase": str(path)}),
        (_picture,),
    ),
    "truth": Kind(".cxi", lambda path: repr(sc.open_truth(path)), (write_truth,)),
    **{
        name: Kind(suffix, _reader, (write,))
        for name, (suffix, write) in READERS.items()
    },
}
