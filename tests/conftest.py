"""What all tests share: one thread, settings of their own, scans, napari windows."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from patience import slowness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from window import Window

_SCRATCH = Path(tempfile.mkdtemp(prefix="scicompty-tests-"))
os.environ["NAPARI_CONFIG"] = str(_SCRATCH / "napari.yaml")  # read when napari loads
os.environ["NAPARI_ENSURE_PLUGIN_MAIN_THREAD"] = "1"
ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True, scope="session")
def _patience() -> Iterator[None]:
    """Let all waiting for the window scale with the load of the machine."""
    from pytestqt.qtbot import QtBot

    with pytest.MonkeyPatch.context() as patch:
        for name in ("waitUntil", "waitSignal"):
            patch.setattr(QtBot, name, _scaled(getattr(QtBot, name)))
        yield


def _scaled(wait: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(wait)
    def scaled(bot: Any, what: Any, *, timeout: int = 5000, **options: Any) -> Any:
        return wait(bot, what, timeout=round(timeout * slowness()), **options)

    return scaled


def pytest_unconfigure() -> None:
    shutil.rmtree(_SCRATCH, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_user_folders(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = tmp_path_factory.mktemp("user")
    for kind in ("CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(user / kind.lower()))


@pytest.fixture(autouse=True)
def _no_log_is_left() -> Iterator[None]:
    """Take down what a command line or a window has set up for the log."""
    logger = logging.getLogger("napari_scicompty")
    before, level = list(logger.handlers), logger.level
    yield
    for handler in set(logger.handlers) - set(before):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of measured scans beside the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the measured scans (../shared/data) are not on this machine")
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small scan as files: stack.tif and positions.txt."""
    from window import write_scan

    return write_scan(tmp_path_factory.mktemp("scan"))


@pytest.fixture
def plugin(npe2pm: Any, plugin_settings: None) -> None:
    """The plugin's manifest, known to napari."""
    from npe2 import PluginManifest

    npe2pm.register(PluginManifest.from_distribution("napari-scicompty"))


@pytest.fixture
def open_window(
    make_napari_viewer: Any, qtbot: Any, plugin: None
) -> Callable[[], Window]:
    """Open a napari window with a Reconstruction dock; as many as wanted."""
    from window import Window

    def open_one() -> Window:
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1400, 1100)
        return Window(qtbot, viewer)

    return open_one
