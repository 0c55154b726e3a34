"""What AutoDiff reaches: ``python tests/benchmarks/autodiff.py WHAT``.

``clean``             |C| by epoch on the default experiment, beside M-rPIE
``hard``              the same on a dense texture, and with the defaults of before;
                      one seed
``noise``             readout noise and pedestals, by loss and background; one seed
``seifert [FIGURE]``  |C| by time on the setting of Seifert et al. 2021 (preset
                      ``mpie``), its peak, and what is kept where held-out pixels stop
``distance``          the same setting told a distance 15 mm off, with a known probe
``modes``             three modes, near field, distance and positions wrong
``chain``             AutoDiff from where M-rPIE with both refiners ends

Seeds 0, 1 and 2 each, of experiment and run.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import napari_scicompty as sc
from napari_scicompty.simulation import PRESETS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.simulation import Truth

Curve = list[tuple[int, float, float]]
"""Epochs, seconds, |C|."""

SEEDS = (0, 1, 2)
SEIFERT = {
    "ePIE, alpha 1": sc.EPIE(alpha_object=1, alpha_probe=1),
    "rPIE": sc.RPIE(),
    "mPIE": sc.MPIE(),
    "Auto, not ended": sc.Auto(ends=False),
    "AutoDiff, amplitude": sc.AutoDiff(),
    "AutoDiff, amplitude, readout 10": sc.AutoDiff(readout=10, damping=1),
    "AutoDiff, intensity": sc.AutoDiff(loss="intensity"),
}
LOOKED_AT = (1, 2, 4, 7, 10, 14, 20, 30, 40)
"""Epochs: to compare with the truth takes longer than an epoch."""


def show(**row: Any) -> None:
    """Print a line of a table."""
    print(json.dumps(row), flush=True)


def digits(value: float, count: int = 3) -> float:
    """Round to significant digits."""
    return float(f"{value:.{count}g}")


def correlation(snapshot: Snapshot, truth: Truth) -> float:
    """|C| with the truth."""
    return sc.metrics.compare(snapshot, truth).correlation


def clean() -> None:
    """1 - |C| on the default experiment, from a disc."""
    for name, algorithm in {"M-rPIE": sc.RPIE(), "AutoDiff": sc.AutoDiff()}.items():
        found: dict[int, list[float]] = {15: [], 30: [], 60: []}
        for seed in SEEDS:
            scan, truth = sc.simulate(sc.VirtualExperiment(seed=seed))
            start = sc.DiscProbe(sc.VirtualExperiment().probe_radius_m)
            for last in sc.reconstruct(
                scan, algorithm, epochs=60, start=start, seed=seed, device="cpu"
            ):
                if last.epoch in found:
                    found[last.epoch].append(1 - correlation(last, truth))
        median = {n: digits(statistics.median(all)) for n, all in found.items()}
        show(algorithm=name, one_minus_C=median)


BEFORE: dict[str, Any] = {"momentum_share": 0.9, "warm_up": 0, "falls": "half life"}
"""Settings of AutoDiff that were its defaults up to version 2 of recipes."""


def textured(side: int = 128, margin: int = 8) -> tuple[Scan, Truth]:
    """A scan of grass and bricks: 100 positions, 1e7 counts at the peak."""
    from skimage import data
    from skimage.transform import resize

    rng = np.random.default_rng(7)
    grass, brick = (
        resize(picture, (420, 420), anti_aliasing=True)
        for picture in (data.grass(), data.brick())
    )
    phase = 0.6 * (brick - brick.mean()) / brick.std()
    object = (0.6 + 0.4 * grass / grass.max()) * np.exp(1j * phase)
    y, x = np.mgrid[:side, :side] - side / 2
    disc = 1 / (1 + np.exp((np.hypot(y, x) - 38) / 2))
    probe = disc * np.exp(1j * np.pi * (x**2 + y**2) / 900)
    grid = np.stack(np.meshgrid(*2 * [22 * np.arange(10)], indexing="ij"), -1)
    positions = 30 + grid.reshape(-1, 2) + rng.uniform(-3, 3, (100, 2))
    frequency = np.fft.fftfreq(side + 2 * margin)
    patterns = []
    for position in positions:
        top, left = np.floor(position).astype(int) - margin
        wide = object[top : top + side + 2 * margin, left : left + side + 2 * margin]
        down, right = position - np.floor(position)
        ramp = np.exp(2j * np.pi * (frequency[:, None] * down + frequency * right))
        view = np.fft.ifft2(np.fft.fft2(wide) * ramp)[margin:-margin, margin:-margin]
        wave = np.fft.fftshift(np.fft.fft2(probe * view, norm="ortho"))
        patterns.append(np.abs(wave) ** 2)
    clean = np.array(patterns)
    gain = 1e7 / clean.mean(0).max()
    geometry = sc.Geometry(1e-10, side * 55e-6 * 20e-9 / 1e-10, 55e-6)
    counts = rng.poisson(clean * gain).astype(np.float32)
    truth = sc.Truth(
        object=object.astype("c8"),
        probe=(probe[None] * gain**0.5).astype("c8"),
        positions_m=positions * 20e-9,
        distance_m=geometry.distance_m,
        origin_m=(0.0, 0.0),
        pixel_size_m=(20e-9, 20e-9),
        geometry=geometry,
    )
    return sc.Scan(counts, truth.positions_m, geometry), truth


def hard() -> None:
    """1 - |C| on a dense texture, from a disc."""
    scan, truth = textured()
    ways = {"M-rPIE": sc.RPIE(), "AutoDiff": sc.AutoDiff()}
    ways["AutoDiff, defaults of before"] = sc.AutoDiff(**BEFORE)
    by_epoch(ways, scan, truth, sc.DiscProbe(38 * 20e-9), (15, 30, 60))


def by_epoch(
    ways: dict[str, Any], scan: Scan, truth: Truth, start: Any, epochs: Iterable[int]
) -> None:
    """Show 1 - |C| after some epochs, of each way."""
    for name, algorithm in ways.items():
        found = {
            shot.epoch: digits(1 - correlation(shot, truth))
            for shot in sc.reconstruct(
                scan, algorithm, epochs=max(epochs), start=start, device="cpu"
            )
            if shot.epoch in epochs
        }
        show(algorithm=name, one_minus_C=found)


def noise() -> None:
    """1 - |C| with readout noise, and with a pedestal that stays or drifts."""
    experiment = sc.VirtualExperiment(
        probe={"kind": "disc", "radius": 0.22},
        path={"kind": "jittered-raster", "rows": 10, "columns": 10, "step_px": 8},
        detector={"frame": 64, "photons": 2e5},
        focus_sample_m=5e-3,
    )
    scan, truth = sc.simulate(experiment)
    clean = np.asarray(scan.patterns).astype(float)
    readout = np.random.default_rng(2).normal(0, 5, clean.shape)
    drift = np.linspace(0, 10, 100)[:, None, None]
    free = sc.AutoDiff(free_background=True)
    ways: dict[str, dict[str, Any]] = {
        "readout noise": {
            "M-rPIE": sc.RPIE(),
            "AutoDiff": sc.AutoDiff(),
            "AutoDiff, intensity": sc.AutoDiff(loss="intensity"),
            "AutoDiff, readout 5": sc.AutoDiff(readout=5),
            "AutoDiff, readout 5, damping 1": sc.AutoDiff(readout=5, damping=1),
        },
        "pedestal of 5": {"M-rPIE": sc.RPIE(), "AutoDiff": sc.AutoDiff(), "free": free},
    }
    ways["pedestal from 0 to 10"] = ways["median taken off"] = ways["pedestal of 5"]
    drifting = clean + drift
    median = np.median(drifting, (1, 2), keepdims=True)
    patterns = {
        "readout noise": clean + readout,
        "pedestal of 5": clean + 5,
        "pedestal from 0 to 10": drifting,
        "median taken off": drifting - median,
    }
    start = sc.DiscProbe(experiment.probe_radius_m)
    for what, frames in patterns.items():
        print(what)
        told = scan.replace(patterns=frames.astype(np.float32))
        by_epoch(ways[what], told, truth, start, (20, 60))


def seifert(figure: Path | None) -> None:
    """|C| by time; its peak and its end, and what is kept with held-out pixels."""
    curves: dict[str, list[Curve]] = {name: [] for name in SEIFERT}
    kept: dict[str, Curve] = {name: [] for name in SEIFERT}
    for seed in SEEDS:
        scan, truth = sc.simulate(PRESETS["mpie"].experiment.replace(seed=seed))
        options = {"epochs": LOOKED_AT[-1], "seed": seed, "device": "cpu"}
        runs = [sc.reconstruct(scan, each, **options) for each in SEIFERT.values()]
        seen: dict[str, Curve] = {name: [] for name in SEIFERT}
        for shots in zip(*runs, strict=True):  # in turns: they share a machine
            for name, shot in zip(SEIFERT, shots, strict=True):
                if shot.epoch in LOOKED_AT:
                    C = correlation(shot, truth)
                    seen[name].append((shot.epoch, shot.elapsed_s, C))
        for name, algorithm in SEIFERT.items():
            curves[name].append(seen[name])
            *_, last = sc.reconstruct(
                scan, algorithm, held_out=0.02, patience=1, **options
            )
            C = correlation(last, truth)
            kept[name].append((last.epoch, last.elapsed_s, C))
    for name, curve in curves.items():
        peaks = [max(seed, key=lambda at: at[2]) for seed in curve]
        show(
            algorithm=name,
            peak_C=_median(at[2] for at in peaks),
            at_epoch=_median(at[0] for at in peaks),
            at_s=_median(at[1] for at in peaks),
            end_C=_median(seed[-1][2] for seed in curve),
            s_an_epoch=_median(seed[-1][1] / seed[-1][0] for seed in curve),
            kept_C=_median(at[2] for at in kept[name]),
            kept_epoch=_median(at[0] for at in kept[name]),
            most_below_peak=digits(
                max(p[2] - k[2] for p, k in zip(peaks, kept[name], strict=True)), 2
            ),
        )
    if figure:
        draw(figure, curves, kept)


def _median(values: Iterable[float]) -> float:
    return digits(statistics.median(values), 4)


def draw(path: Path, curves: dict[str, list[Curve]], kept: dict[str, Curve]) -> None:
    """Draw |C| by time of the first seed; a dot where the held-out error stops."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    drawing, axes = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
    for name, curve in curves.items():
        _, seconds, values = zip(*curve[0], strict=True)
        (line,) = axes.plot(seconds, values, label=name)
        epoch, _, value = kept[name][0]
        at = np.interp(epoch, [e for e, _, _ in curve[0]], seconds)
        axes.plot(at, value, "o", color=line.get_color())
    axes.set(xlabel="time of computing (s)", ylabel="|C| with the truth", xscale="log")
    axes.set_ylim(0.95, 0.99)
    axes.grid(alpha=0.3)
    axes.legend(title="dot: kept by the held-out error", loc="lower center")
    drawing.savefig(path, dpi=120)
    plt.close(drawing)


def distance() -> None:
    """Millimetres that the distance is off, by epoch, with a known probe."""
    free = sc.AutoDiff(free_distance=True, start_distance=0, half_life=10)
    ways: dict[str, tuple[Any, list[Any]]] = {
        "AutoDiff, free distance": (free, []),
        "the same, intensity": (free.replace(loss="intensity"), []),
        "M-rPIE, along the valley": (
            sc.RPIE(),
            [sc.DefocusCoupledDistance(start_epoch=0)],
        ),
    }
    for off_mm in (15, -15):
        off: dict[str, list[list[float]]] = {name: [] for name in ways}
        for seed in SEEDS:
            wrong = {"distance_error": off_mm / 34.95}
            experiment = PRESETS["mpie"].experiment.replace(mistakes=wrong, seed=seed)
            scan, truth = sc.simulate(experiment)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "probe.npy"
                np.save(path, truth.probe)
                start = sc.ProbeFile(path=path, frozen=True)
                for name, (algorithm, refine) in ways.items():
                    shots = sc.reconstruct(
                        scan,
                        algorithm,
                        epochs=35,
                        refine=refine,
                        start=start,
                        seed=seed,
                        device="cpu",
                    )
                    z = np.array([shot.distance_m for shot in shots])
                    off[name].append(list((z - truth.distance_m) * 1e3))
        for name, runs in off.items():
            at = {n: digits(np.median(np.abs(runs), 0)[n]) for n in (5, 10, 20, 35)}
            worst = digits(float(np.abs(runs)[:, -1].max()))
            show(way=name, told_mm=off_mm, off_mm=at, worst_at_35=worst)


def judged(last: Snapshot, truth: Truth, scan: Scan) -> dict[str, Any]:
    """What a near-field run with free positions and distance has found."""
    found, position = sc.metrics.compare(last, truth), last.positions_m
    error = sc.metrics.position_error(position, truth.positions_m)
    away = np.hypot(*(error.residuals_m / scan.pixel_size_m).T)
    scale = error.map.magnification
    return {
        "epoch": last.epoch,
        "error": digits(last.error),
        "one_minus_C": digits(1 - found.correlation),
        "ssim": [round(found.ssim.magnitude, 4), round(found.ssim.phase, 4)],
        "cosines": [round(float(cosine), 4) for cosine in found.cosines],
        "scaled_off_percent": digits(
            100 * (last.distance_m / truth.distance_m / scale - 1), 2
        ),
        "positions_median_px": digits(float(np.median(away))),
    }


def near(sigma_px: float, seed: int, modes: int = 1) -> tuple[Scan, Truth]:
    """The 100 mm set of the AD paper's appendix, told a distance 30 % too long."""
    wrong = {"distance_error": 0.3, "gaussian_px": sigma_px}
    experiment = PRESETS["autodiff-100mm"].experiment
    return sc.simulate(experiment.replace(mistakes=wrong, seed=seed, modes=modes))


def modes() -> None:
    """Three modes, 30 % wrong distance, positions with sigma 5 px: 100 epochs."""
    ways: dict[str, tuple[Any, list[str]]] = {
        "M-rPIE": (sc.RPIE(), ["positions", "distance"]),
        "AutoDiff": (sc.AutoDiff(free_positions=True), ["distance"]),
    }
    for seed in SEEDS:
        scan, truth = near(5, seed, modes=3)
        for name, (algorithm, refine) in ways.items():
            *_, last = sc.reconstruct(
                scan,
                algorithm,
                epochs=100,
                modes=3,
                refine=refine,
                seed=seed,
                device="cpu",
            )
            show(way=name, seed=seed, **judged(last, truth, scan))


def chain() -> None:
    """M-rPIE with both refiners for 100 epochs, then AutoDiff for 30."""
    # Small moves, and small steps where few views look: all is nearly right.
    gentle = sc.AutoDiff(free_positions=True, rate_positions_px=0.05, damping=1)
    for seed in SEEDS:
        scan, truth = near(5, seed)
        options = {"seed": seed, "device": "cpu"}
        *_, last = sc.reconstruct(
            scan, sc.RPIE(), epochs=100, refine=["positions", "distance"], **options
        )
        show(seed=seed, after="M-rPIE", **judged(last, truth, scan))
        for name, algorithm in (("M-rPIE", sc.RPIE()), ("AutoDiff", gentle)):
            *_, more = sc.reconstruct(scan, algorithm, epochs=30, start=last, **options)
            show(seed=seed, after=f"30 of {name}", **judged(more, truth, scan))


def main() -> None:
    """Measure what was asked for, and print it line by line."""
    what, *rest = sys.argv[1:]
    if what == "seifert":
        seifert(Path(rest[0]) if rest else None)
    else:
        parts = {"clean": clean, "hard": hard, "noise": noise, "distance": distance}
        parts |= {"modes": modes, "chain": chain}
        parts[what]()


if __name__ == "__main__":
    main()
