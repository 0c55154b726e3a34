"""The house: who may import whom, what an import costs, the manifest."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_scicompty as sc

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "napari_scicompty"
FLOORS = {
    6: "ui cli",
    5: "recipe results ome_tiff cxi_result autosave figures",
    4: "controls refining run start continuing search reconstruction repeating halves "
    "refocusing simulation",
    3: "algorithms refine analysis plan",
    2: "held_out storage measured estimate pattern_errors snapshot run_settings "
    "recorded visits formats prepare verdicts",
    1: "affine errors processes reading files hdf5_heaps hdf5_values hdf5_files "
    "hdf5_output settings host_memory device geometry stacks scan canvas optics "
    "findings checks",
}
WITHIN_A_FLOOR = (  # each room may import those that stand before it
    "errors findings settings geometry canvas checks scan",
    "errors optics",
    "errors device optics",
    "host_memory device",
    "errors processes reading files hdf5_output",
    "hdf5_values hdf5_files hdf5_output",
    "errors host_memory reading hdf5_heaps hdf5_values hdf5_files",
    "stacks scan",
    "snapshot estimate",
    "held_out measured estimate pattern_errors",
    "run_settings pattern_errors",
    "storage measured",
    "analysis plan",
    "prepare formats",
    "controls refining run start continuing search reconstruction halves",
    "start reconstruction repeating",
    "run repeating",
    "start continuing refocusing",
    "run refocusing",
    "results recipe",
    "results autosave",
    "ui cli",
)
FLOOR = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}
BELOW = {
    (upper, lower)
    for chain in WITHIN_A_FLOOR
    for i, upper in enumerate(chain.split())
    for lower in chain.split()[:i]
}


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported_rooms(path: Path) -> set[str]:
    """Rooms that are imported at run time, at the top or inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "napari_scicompty":
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    ours = [name.split(".") for name in modules]
    return {p[1] for p in ours if p[0] == "napari_scicompty" and p[1:]} - {
        "__version__"
    }


MODULES = [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downwards(path: Path) -> None:
    room = _room(path)
    for other in _imported_rooms(path) - {room}:
        assert other in FLOOR, f"{other} is no room: import it from where it lives"
        assert FLOOR[room] > FLOOR[other] or (room, other) in BELOW, f"{room}->{other}"


def test_every_name_of_the_public_face_resolves() -> None:
    for name in sc.__all__:
        assert getattr(sc, name) is not None


def _python(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_importing_the_face_is_cheap() -> None:
    _python(
        "import sys, napari_scicompty\n"
        "heavy = {'torch', 'qtpy', 'PyQt6', 'PySide6', 'napari'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )


def test_reconstructs_where_there_is_no_window() -> None:
    _python("""
import sys
class Blocked:
    names = {"napari", "qtpy", "magicgui", "superqt", "pyqtgraph", "PyQt6", "PySide6"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ImportError(f"{name} is blocked here")
sys.meta_path.insert(0, Blocked())
import napari_scicompty as sc
scan, truth = sc.simulate(sc.VirtualExperiment())
start = sc.DiscProbe(scan.frame_shape[0] / 4 * scan.pixel_size_m[0])
shots = list(sc.reconstruct(scan, sc.EPIE(), epochs=2, start=start, device="cpu"))
assert [s.epoch for s in shots] == [0, 1, 2], [s.epoch for s in shots]
assert shots[2].error < shots[0].error
""")


def test_manifest_is_valid_and_its_names_import() -> None:
    manifest = PluginManifest.from_file(PACKAGE / "napari.yaml")
    assert manifest.name == "napari-scicompty"
    manifest.validate_imports()


def test_top_level_manifest_is_the_packaged_one() -> None:
    assert (ROOT / "napari.yaml").read_text() == (PACKAGE / "napari.yaml").read_text()
