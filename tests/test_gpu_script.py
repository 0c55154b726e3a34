"""The script that measures a GPU runs, at toy size, with few modules and no GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCKED = ("napari", "qtpy", "magicgui", "hdf5plugin", "skimage", "matplotlib", "typer")

RUN = f"""
import runpy, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError("blocked: " + name, name=name)

sys.meta_path.insert(0, Blocked())
sys.argv[0] = "gpu.py"
runpy.run_path({str(ROOT / "tests" / "benchmarks" / "gpu.py")!r}, run_name="__main__")
"""


def test_the_script_for_a_gpu_runs_on_a_cpu_with_few_modules(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    told = ["--device", "cpu", "--toy", "--json", str(path)]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *told], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads(path.read_text(encoding="utf-8"))
    assert all(row["bit for bit"] for row in found["same"])
    assert {row["batch"] for row in found["steps"]} == {1, 5}
    assert all(row["plain_us"] > 0 for row in found["steps"])
    assert {"0.99", "0.999"} == set(found["reach"][0]["at"])
    assert all(row["planned"] > row["amplitudes"] for row in found["memory"])
    assert all(row["ours_error_px"] < 1e-3 for row in found["register"])
    needed = done.stdout.rpartition("modules needed:")[2].split()
    assert "torch" in needed and not set(needed) & set(BLOCKED)
