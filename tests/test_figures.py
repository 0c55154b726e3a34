"""Figures: every kind of file, what is in it, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import matplotlib.image
import numpy as np
import pytest
from scipy import ndimage

import napari_scicompty as sc
from napari_scicompty.figures import FigureOptions, draw_figure, save_figure
from napari_scicompty.figures._panels import round_length
from napari_scicompty.figures.ring_correlation import (
    draw_ring_correlation,
    save_ring_correlation,
)

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENT = sc.VirtualExperiment(
    modes=2, path={"rows": 4, "columns": 7, "step_px": 5}, detector={"frame": 32}
)
EVERYTHING = ("phase", "magnitude", "modes", "error")


@pytest.fixture(scope="module")
def shot() -> sc.Snapshot:
    scan, _ = sc.simulate(EXPERIMENT)
    start = sc.DiscProbe(EXPERIMENT.probe_radius_m)
    *_, last = sc.reconstruct(scan, sc.RPIE(), epochs=3, modes=2, start=start)
    return last


@pytest.mark.parametrize(
    ("suffix", "head"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_saves_every_kind(
    shot: sc.Snapshot, tmp_path: Path, suffix: str, head: bytes
) -> None:
    path = tmp_path / f"figure{suffix.upper()}"
    save_figure(path, shot, what=EVERYTHING)
    assert path.read_bytes().startswith(head)


def test_text_stays_text(shot: sc.Snapshot, tmp_path: Path) -> None:
    save_figure(tmp_path / "f.svg", shot, phase_range="full")
    svg = (tmp_path / "f.svg").read_text(encoding="utf-8")
    for text in ("Phase", "Magnitude", "phase (rad)", "magnitude (1)", ">π<"):
        assert text in svg
    assert svg.count("nm</text>") + svg.count("µm</text>") == 2


def test_a_weak_phase_spans_the_colours(shot: sc.Snapshot) -> None:
    weak = shot.replace(object=np.exp(0.05j * np.angle(shot.object)))
    limits = {}
    for how in ("full", "lit"):
        options = FigureOptions(what=("phase",), phase_range=how)
        picture = draw_figure(weak, options).axes[0].images[0]
        limits[how] = np.ptp(picture.get_clim())
    assert limits["full"] == pytest.approx(2 * np.pi)
    assert 0.01 < limits["lit"] < 0.1 * np.pi


def test_a_png_has_the_size_that_was_asked_for(
    shot: sc.Snapshot, tmp_path: Path
) -> None:
    save_figure(tmp_path / "f.png", shot, width_mm=101.6, dpi=100)
    image = matplotlib.image.imread(tmp_path / "f.png")
    assert abs(image.shape[1] - 400) <= 1  # numpy before 2.0 rounds down
    dark = image[..., :3].min(-1) < 0.9
    assert not (dark[0].any() or dark[-1].any() or dark[:, 0].any()), "cut off"


@pytest.mark.parametrize(
    "options",
    [
        {"what": EVERYTHING},
        {"what": EVERYTHING, "width_mm": 90.0, "font_size_pt": 6.0},
        {"what": ("modes",), "scale_bar": False},
        {"what": ("phase",), "colour_bar": False, "width_mm": 60.0},
    ],
)
def test_nothing_lies_outside_the_page_or_on_another_panel(
    shot: sc.Snapshot, options: dict[str, Any]
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    chosen = FigureOptions(**options)
    figure = draw_figure(shot, chosen)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    page = figure.bbox
    for i, box in enumerate(boxes):
        assert page.x0 <= box.x0 + 1 and box.x1 <= page.x1 + 1
        assert page.y0 <= box.y0 + 1 and box.y1 <= page.y1 + 1
        for other in boxes[:i]:
            assert not box.shrunk(0.98, 0.98).overlaps(other.shrunk(0.98, 0.98))


def test_shows_the_lit_region_with_its_phase_centred(shot: sc.Snapshot) -> None:
    turned = shot.replace(object=shot.object * np.complex64(np.exp(2j)))
    options = FigureOptions(phase_range="full")
    phase, bar, magnitude, _ = draw_figure(turned, options).axes
    values = phase.images[0].get_array().filled(np.nan)
    assert phase.images[0].get_clim() == (-np.pi, np.pi)
    assert abs(np.angle(np.nanmean(np.exp(1j * values)))) < 0.1
    rows, columns = np.flatnonzero(shot.lit.any(1)), np.flatnonzero(shot.lit.any(0))
    assert values.shape[0] <= np.ptp(rows) + 1 < shot.object.shape[0]
    assert values.shape[1] <= np.ptp(columns) + 1 < shot.object.shape[1]
    low, high = magnitude.images[0].get_clim()
    shown = magnitude.images[0].get_array().compressed()
    assert shown.min() < low < np.median(shown) < high < shown.max()
    assert [label.get_text() for label in bar.get_yticklabels()][-1] == "π"


@pytest.mark.parametrize(
    ("metres", "length", "label"),
    [
        (3.2e-6, 2e-6, "2 µm"),
        (1e-6, 1e-6, "1 µm"),
        (9.9e-8, 5e-8, "50 nm"),
        (2.5e-11, 2e-11, "20 pm"),
        (0.4, 0.2, "200 mm"),
        (7e-4, 5e-4, "500 µm"),
    ],
)
def test_scale_bars_are_round(metres: float, length: float, label: str) -> None:
    assert round_length(metres) == (pytest.approx(length), label)


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("f.jpg", {}, "end its name with one of .png, .svg, .pdf"),
        ("f", {}, "without suffix"),
        ("f.png", {"dpi": 3}, "dpi"),
        ("f.png", {"what": ()}, "what"),
        ("f.png", {"what": ("Phase",)}, "what"),
        ("none/f.png", {}, "cannot be written"),
    ],
)
def test_refusals(
    shot: sc.Snapshot, tmp_path: Path, name: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(sc.InputError, match=says):
        save_figure(tmp_path / name, shot, **options)
    assert list(tmp_path.iterdir()) == []


def test_leaves_pyplot_and_the_backend_alone() -> None:
    code = (
        "import sys, numpy as np, napari_scicompty as sc\n"
        "from napari_scicompty.figures import FigureOptions, draw_figure\n"
        "from napari_scicompty.workflow.start import begin\n"
        "path = {'rows': 3, 'columns': 3, 'step_px': 5}\n"
        "e = sc.VirtualExperiment(path=path, detector={'frame': 32})\n"
        "shot = begin(sc.simulate(e)[0], sc.DiscProbe(e.probe_radius_m))\n"
        "draw_figure(shot, FigureOptions()).savefig('/dev/null', format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    code = code.replace("'/dev/null'", "__import__('io').BytesIO()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_ring_correlation_shows_its_crossings_and_both_scales(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 128, 128)) * (1 + 0j)
    smooth = ndimage.gaussian_filter(a, 2) * 5
    frc = sc.metrics.fourier_ring_correlation(smooth + b, smooth + c, 5e-9)
    assert frc.one_bit_crossing.frequency
    save_ring_correlation(tmp_path / "f.svg", frc, font_size_pt=7)
    svg = (tmp_path / "f.svg").read_text(encoding="utf-8")
    for text in (f"1-bit: {frc.one_bit_crossing}", "half period (nm)", "(1/µm)"):
        assert text in svg
    lines = draw_ring_correlation(frc, FigureOptions()).axes[0].get_lines()
    marks = [line for line in lines if line.get_marker() == "o"]
    at = sorted(float(mark.get_xdata()[0]) for mark in marks)
    crossings = (frc.one_bit_crossing, frc.half_bit_crossing)
    assert at == pytest.approx([c.frequency * 1e-6 for c in crossings])
    with pytest.raises(sc.InputError, match="end its name"):
        save_ring_correlation(tmp_path / "f.jpg", frc)


def test_a_weak_phase_is_drawn_with_full_contrast(shot: sc.Snapshot) -> None:
    """As the window draws it: a full turn only where the phase spans half of one."""
    magnitude = np.abs(shot.object)
    for span, limit in ((0.2, 0.5), (6.0, np.pi)):
        ramp = np.linspace(-span / 2, span / 2, shot.object.shape[0])[:, None]
        seen = shot.replace(object=(magnitude * np.exp(1j * ramp)).astype(np.complex64))
        low, high = draw_figure(seen, FigureOptions()).axes[0].images[0].get_clim()
        assert -limit <= low < high <= limit
        assert high - low > 0.5 * span
