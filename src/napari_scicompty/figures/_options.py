"""What a figure shows, and how."""

from __future__ import annotations

from typing import Literal

from napari_scicompty.core.settings import Settings, setting


class FigureOptions(Settings):
    """What a figure shows, and how."""

    what: tuple[Literal["phase", "magnitude", "modes", "error"], ...] = setting(
        ("phase", "magnitude"),
        "Panels: phase and magnitude of the object, probe modes, error curve.",
        min_length=1,
    )
    width_mm: float = setting(180.0, "Width of the page.", unit="mm", ge=40, le=1000)
    dpi: int = setting(300, "Dots per inch of a PNG.", title="DPI", ge=50, le=1200)
    font_size_pt: float = setting(8.0, "Size of the text.", unit="pt", ge=4, le=30)
    scale_bar: bool = setting(True, "A bar of a round length below each picture.")
    colour_bar: bool = setting(True, "A colour bar beside each picture.")
    phase_colours: Literal["romaO", "twilight", "phase"] = setting(
        "romaO", "Cyclic colours of the phase."
    )
    phase_range: Literal["auto", "full", "lit"] = setting(
        "auto",
        "A full turn in cyclic colours, or what the lit region has in grey; auto takes "
        "the turn where the phase spans half of one.",
    )
    magnitude_colours: Literal["gray", "viridis", "cividis"] = setting(
        "gray", "Colours of the magnitude, and of a phase that is no full turn."
    )
    centre_phase: bool = setting(
        True, "Turn the free global phase so that its mean over the lit region is zero."
    )
