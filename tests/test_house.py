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
ROOMS = {  # room: the rooms that it may import, those that are imported for types too
    "core": "",
    "files": "core",
    "optics": "core",
    "data": "core optics",
    "prepare": "core",
    "formats": "core files data prepare",
    "simulation": "core files optics data formats",
    "model": "core optics data",
    "algorithms": "core optics model",
    "refine": "core optics model",
    "engine": "core optics data model algorithms refine",
    "results": "core files optics data",
    "analysis": "core optics data",
    "workflow": "core files optics data prepare formats algorithms refine engine "
    "results analysis",
    "figures": "core files optics data analysis",
    "recipe": "core files data formats simulation algorithms refine engine results "
    "workflow",
    "ui.widgets": "core files formats results",
    "ui.layers": "optics data simulation analysis",
    "ui.session": "core files data simulation algorithms refine engine workflow recipe "
    "ui.layers ui.widgets",
    "ui.virtual": "core optics data formats simulation analysis recipe ui.session "
    "ui.layers ui.widgets",
    "ui.reconstruction": "core data formats simulation algorithms refine engine "
    "results analysis workflow figures recipe ui.virtual ui.session ui.layers "
    "ui.widgets",
    "ui.figure": "core figures ui.session ui.widgets",
    "ui": "ui.figure ui.virtual ui.reconstruction",
    "ui.plugin": "core files formats simulation algorithms results workflow recipe "
    "ui.figure ui.reconstruction ui.session ui.layers ui.widgets",
    "cli": "core files optics data formats simulation algorithms refine engine "
    "results analysis workflow figures recipe ui.plugin",
}


def _room(module: str) -> str:
    """Return the room of a module of ours; that of the face is empty."""
    parts = module.split(".")[1:]
    if parts[:1] == ["ui"] and f"ui.{''.join(parts[1:2])}" in ROOMS:
        return f"ui.{parts[1]}"
    return parts[0] if parts and parts[0] in ROOMS else ""


def _imported_rooms(path: Path) -> set[str]:
    """Return the rooms that a file imports: at its top, in functions, or for types."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {_room(m) for m in modules if m.startswith("napari_scicompty")} - {""}


MODULES = [p for p in sorted(PACKAGE.rglob("*.py")) if p.parent != PACKAGE]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_what_its_row_allows(path: Path) -> None:
    room = _room("napari_scicompty." + ".".join(path.relative_to(PACKAGE).parts))
    assert _imported_rooms(path) - {room} <= set(ROOMS[room].split())


def test_no_row_looks_at_a_row_below_it() -> None:
    above: set[str] = set()
    for room, may_import in ROOMS.items():
        assert set(may_import.split()) <= above, room
        above.add(room)


MOST_LINES, MOST_METHODS = 400, 25


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_file_and_no_class_is_too_large(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
            assert len(methods) <= MOST_METHODS, node.name


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    """Those for type checkers left out: names of types may point both ways."""
    names = {_name(path): path for path in MODULES}
    left = {name: _imported_modules(path, names) for name, path in names.items()}
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    assert not left


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _imported_modules(path: Path, names: dict[str, Path]) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inside & names.keys() or {node.module}
    return found & names.keys() - {_name(path)}


def test_the_page_shows_the_rows() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for room, may_import in ROOMS.items():
        row = f"| `{room}` | {' '.join(may_import.split()) or 'nothing of ours'} |"
        assert row in page, row


def test_every_name_of_the_public_face_resolves() -> None:
    for name in sc.__all__:
        assert getattr(sc, name) is not None


def _python(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_old_paths_work_with_a_warning() -> None:
    _python("""
import warnings
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    from napari_scicompty.snapshot import Snapshot
import napari_scicompty as sc
assert Snapshot is sc.Snapshot
assert "is now napari_scicompty.data.snapshot" in str(told[0].message), told
""")


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
