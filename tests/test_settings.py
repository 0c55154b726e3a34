"""What settings say when a value does not fit: where, what, and what to do."""

from __future__ import annotations

import pytest

import napari_scicompty as sc
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.formats import OpenChoices


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        (sc.DiscProbe, {}, "DiscProbe.radius_m: is missing; give it, in m"),
        (
            OpenChoices,
            {"energy_ev": "8.8keV"},
            "OpenChoices.energy_ev: must be a number, plain and in eV (got '8.8keV')",
        ),
        (
            OpenChoices,
            {"detector_pixel_m": "75 um"},
            "must be a number, plain and in m",
        ),
        (OpenChoices, {"detector_pixel_m": [1]}, "must be a number, plain and in m"),
        (OpenChoices, {"rebin": 1.5}, "rebin: must be a whole number (got 1.5)"),
        (RunSettings, {"epochs": "3"}, "epochs: must be a number (got '3')"),
        (
            OpenChoices,
            {"centre": (1, 1)},
            "centre: there is no such setting here; did you",
        ),
        (OpenChoices, {"centre": (1, 1)}, "did you mean center"),
        (sc.EPIE, {"beta": 1}, "known: alpha_object, alpha_probe"),
        (OpenChoices, {"zzzzz": 1}, "check its spelling"),
        (OpenChoices, {"propagation": "near"}, "must be 'far-field' or 'near-field'"),
        (sc.RPIE, {"gamma": 7}, "gamma: must be less than or equal to 1 (got 7)"),
        (sc.RPIE, {"gamma": 7, "beta": "1"}, "beta: must be a number (got '1')"),
    ],
)
def test_a_value_that_does_not_fit_gets_a_sentence(kind, values, says):
    with pytest.raises(sc.InputError) as caught:
        kind(**values)
    text = str(caught.value)
    assert says in text
    assert text.startswith(f"{kind.__name__}.") and "Input should" not in text


def test_one_sentence_a_field():
    with pytest.raises(sc.InputError) as caught:
        OpenChoices(detector_pixel_m=[1], crop=(1, 2, 3))
    text = str(caught.value)
    assert text.count("OpenChoices.") == 2 and text.index("pixel") < text.index("crop")


def test_text_is_no_number_in_pairs_and_in_settings_of_settings():
    for values in ({"center": "3"}, {"detector_pixel_m": "75e-6"}):
        with pytest.raises(sc.InputError, match="must be a number"):
            OpenChoices(**values)
    with pytest.raises(sc.InputError, match=r"detector\.photons: must be a number"):
        sc.VirtualExperiment(detector={"photons": "9"})
