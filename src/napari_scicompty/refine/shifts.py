"""Refiners of positions: each gives a signal, `PositionRefiner` does the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from napari_scicompty.core.settings import setting
from napari_scicompty.optics.patches import intensity
from napari_scicompty.refine import signals
from napari_scicompty.refine.positions import PositionRefiner

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured
    from napari_scicompty.refine.base import State
    from napari_scicompty.refine.positions import Moves


class LeastSquaresShift(PositionRefiner):
    """The shift that best explains a view's update by the view's own gradient.

    Cheap and accurate: one pass over the view, no Fourier transform.
    """

    title: ClassVar[str] = "Least-squares shift"

    def before_step(
        self, estimate: Estimate, measured: Measured, batch: Sequence[int]
    ) -> Tensor:
        """Copy the views (B, h, w)."""
        del measured
        return estimate.views(batch).clone()

    def after_step(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        before: Tensor,
        state: State,
    ) -> None:
        """Keep the products that the shift follows from."""
        del measured
        weight = self._weight(estimate, state)
        products = signals.gradient_products(before, estimate.views(batch), weight)
        self._keep(estimate, batch, products, state)

    def _corrections(self, seen: NDArray[np.float64]) -> Moves:
        return signals.least_squares_corrections(seen)


class CrossCorrelationShift(PositionRefiner):
    """The peak of a cross-correlation: the signal of the SciComPty paper."""

    plane: Literal["object", "detector"] = setting(
        "object",
        "Object: a view against its update (XCORR_A); detector: the modelled pattern "
        "against the measured one (XCORR_B), which diverges",
        advanced=True,
    )

    title: ClassVar[str] = "Cross-correlation"

    def before_step(
        self, estimate: Estimate, measured: Measured, batch: Sequence[int]
    ) -> Tensor:
        """Copy the views, or take the signal at the detector, (B, ...)."""
        if self.plane == "object":
            return estimate.views(batch).clone()
        model = intensity(estimate.waves(batch)).sum(1).sqrt_()
        return signals.detector_correlation(model, measured.pattern(batch))

    def after_step(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        before: Tensor,
        state: State,
    ) -> None:
        """Keep the shifts."""
        del measured
        shifts = before
        if self.plane == "object":
            weight = self._weight(estimate, state)
            after = estimate.views(batch)
            shifts = signals.object_correlation(before, after, weight)
        self._keep(estimate, batch, shifts, state)
