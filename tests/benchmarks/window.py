"""How fast the engine is in the window, and how alive the window stays.

Run it on a real or a virtual screen: ``python tests/benchmarks/window.py``. The engine
runs headless, in the window, and headless again, in one process; a 10 ms timer of the
GUI tells how late its beats are while it runs.
"""

from __future__ import annotations

import json
import time

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication

import napari_scicompty as sc
from napari_scicompty.engine.run import Run
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.ui import Reconstruction
from napari_scicompty.workflow.start import begin

SECONDS = 15.0
EXPERIMENT = sc.VirtualExperiment(modes=3)


def headless(scan: sc.Scan) -> float:
    """Return positions per second without a window's events."""
    start = begin(scan, sc.DiscProbe(EXPERIMENT.probe_radius_m), modes=3)
    run = Run(scan, sc.RPIE(), start, RunSettings(epochs=10_000, modes=3))
    run.advance(1.0)
    return rate(run, lambda: run.advance(SECONDS))


def rate(run: Run, act: object) -> float:
    """Return positions per second of a run while `act` happens."""
    began, done = time.perf_counter(), position(run)
    act()
    return (position(run) - done) / (time.perf_counter() - began)


def position(run: Run) -> int:
    """Patterns visited since the start of a run."""
    return run.epoch * len(run.scan) + run.batch


def pump(until: object, seconds: float = 60) -> None:
    """Let the window live until something holds."""
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends and not until():
        QApplication.processEvents()
        time.sleep(0.002)


def in_window() -> tuple[float, np.ndarray, sc.Scan]:
    """Return positions per second, lateness of the beats in ms, and the scan."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1500, 1000)
    dock = Reconstruction(viewer)
    viewer.window.add_dock_widget(dock, name="Reconstruction", area="right")
    dock.open_virtual(EXPERIMENT)
    dock.bar.form.set_values({"epochs": 10_000, "modes": 3})
    controller = dock.controller
    pump(lambda: controller.scan is not None)
    dock.run()
    pump(lambda: controller.snapshot is not None and controller.snapshot.epoch >= 2)
    run = controller.job.run
    beats: list[float] = []
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))

    def watch() -> None:
        timer.start(10)
        loop = QEventLoop()
        QTimer.singleShot(int(SECONDS * 1e3), loop.quit)
        loop.exec()
        timer.stop()

    speed = rate(run, watch)
    controller.stop()
    pump(lambda: not controller.busy)
    scan = controller.scan
    viewer.close()
    return speed, (np.diff(beats) - 0.010) * 1e3, scan


def main() -> None:
    """Measure and print."""
    scan, _ = sc.simulate(EXPERIMENT)
    before = headless(scan)
    window, late, _ = in_window()
    after = headless(scan)
    alone = (before + after) / 2
    print(
        json.dumps(
            {
                "headless_positions_per_s": [round(before), round(after)],
                "window_positions_per_s": round(window),
                "window_over_headless": round(window / alone, 3),
                "beats": len(late),
                "late_ms_p50_p95_max": np.percentile(late, [50, 95, 100])
                .round(1)
                .tolist(),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
