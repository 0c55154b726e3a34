"""What all tests share: one thread, settings of their own, the measured scans."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

_SCRATCH = Path(tempfile.mkdtemp(prefix="scicompty-tests-"))
os.environ["NAPARI_CONFIG"] = str(_SCRATCH / "napari.yaml")  # read when napari loads
ROOT = Path(__file__).parents[1]


def pytest_unconfigure() -> None:
    shutil.rmtree(_SCRATCH, ignore_errors=True)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_user_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "user" / kind.lower()))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of measured scans beside the repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the measured scans (../shared/data) are not on this machine")
    return folder
