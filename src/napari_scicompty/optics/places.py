"""Where views lie on a canvas: known to the host, or to the device alone.

Slices are the fastest way where the host knows the corners. Steps that are recorded
once and replayed (see `recorded`) know their positions on the device only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

from napari_scicompty.optics.patches import gather_sum, take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_scicompty.optics.patches import Corner


class Places(Protocol):
    """Where the views of a batch lie."""

    def take(self, canvas: Tensor) -> Tensor:
        """Return the views (B, 1, h, w); they may share the memory of the canvas.

        Parameters
        ----------
        canvas : Tensor (H, W) complex64
            The object on its canvas.
        """
        ...

    def total(self, fields: Tensor) -> Tensor:
        """Sum fields (B or 1, 1, h, w) where they lie; the result is for `add`.

        Parameters
        ----------
        fields : Tensor (B or 1, 1, h, w)
            One alone lies at every place.

        Returns
        -------
        any
            Known to this kind of places alone.
        """
        ...

    def add(self, canvas: Tensor, total: Tensor, alpha: float) -> None:
        """Add alpha times what `total` has returned to the canvas.

        Parameters
        ----------
        canvas : Tensor (H, W)
            Changed in place.
        total : any
            What `total` has returned.
        alpha : float
            Factor.
        """
        ...


class OnePlace:
    """A single view, known to the host: a slice, nothing is copied or summed.

    Parameters
    ----------
    corner : (int, int)
        Top-left pixel.
    view : (h, w)
        Pixels of the view.
    canvas : (H, W)
        Of canvases whose rows follow each other in memory.
    """

    def __init__(
        self, corner: Corner, view: tuple[int, int], canvas: tuple[int, int]
    ) -> None:
        self._slice = (
            (1, 1, *view),
            (0, 0, canvas[1], 1),
            corner[0] * canvas[1] + corner[1],
        )

    def take(self, canvas: Tensor) -> Tensor:
        """Return the view (1, 1, h, w), which shares the memory of the canvas.

        Parameters
        ----------
        canvas : Tensor (H, W)
            What is looked at.
        """
        return canvas.as_strided(*self._slice)

    def total(self, fields: Tensor) -> Tensor:
        """Return the field (1, 1, h, w) itself.

        Parameters
        ----------
        fields : Tensor (1, 1, h, w)
            Of the view.
        """
        return fields

    def add(self, canvas: Tensor, total: Tensor, alpha: float) -> None:
        """Add alpha times a field to the canvas.

        Parameters
        ----------
        canvas : Tensor (H, W)
            Changed in place.
        total : Tensor (1, 1, h, w)
            What `total` has returned.
        alpha : float
            Factor.
        """
        canvas.as_strided(*self._slice).add_(total, alpha=alpha)


class HostPlaces:
    """Several views, their top-left corners known to the host.

    Parameters
    ----------
    corners : sequence of (int, int)
        Top-left pixels (y, x) of B views.
    view : (h, w)
        Pixels of a view.
    """

    def __init__(self, corners: Sequence[Corner], view: tuple[int, int]) -> None:
        self._corners = corners
        self._view = view

    def take(self, canvas: Tensor) -> Tensor:
        """Return the views (B, 1, h, w), copied.

        Parameters
        ----------
        canvas : Tensor (H, W)
            What is looked at.
        """
        return take(canvas, self._corners, self._view)[:, None]

    def total(self, fields: Tensor) -> Tensor:
        """Sum fields over the bounds of all views.

        Parameters
        ----------
        fields : Tensor (B or 1, 1, h, w)
            One alone lies at every place.

        Returns
        -------
        Tensor (h', w')
            As large as the bounds.
        """
        return gather_sum(fields[:, 0], self._corners)[1]

    def add(self, canvas: Tensor, total: Tensor, alpha: float) -> None:
        """Add alpha times a total to the canvas.

        Parameters
        ----------
        canvas : Tensor (H, W)
            Changed in place.
        total : Tensor (h', w')
            What `total` has returned.
        alpha : float
            Factor.
        """
        rows, columns = zip(*self._corners, strict=True)
        h, w = total.shape
        bounds = take(canvas, [(min(rows), min(columns))], (h, w))
        bounds.add_(total, alpha=alpha)


class DevicePlaces:
    """Views whose corners are known to the device alone.

    Parameters
    ----------
    first : Tensor (B,)
        Number of the first pixel of each view, the canvas being flattened.
    within : Tensor (h, w)
        Numbers of the pixels of a view whose first one is 0, see `numbers_within`.
    canvas : (H, W)
        Pixels of the canvas.
    """

    def __init__(self, first: Tensor, within: Tensor, canvas: tuple[int, int]) -> None:
        self._pixels = (first[:, None, None] + within).flatten()
        self._shape = (len(first), 1, *within.shape)
        self._canvas = canvas

    def take(self, canvas: Tensor) -> Tensor:
        """Return the views (B, 1, h, w), copied.

        Parameters
        ----------
        canvas : Tensor (H, W)
            What is looked at.
        """
        return canvas.view(-1).index_select(0, self._pixels).view(self._shape)

    def total(self, fields: Tensor) -> Tensor:
        """Sum fields on a canvas of their own; a single one stays as it is.

        Parameters
        ----------
        fields : Tensor (B or 1, 1, h, w)
            One alone lies at every place.

        Returns
        -------
        Tensor
            (H, W), or (1, 1, h, w) of a single view.
        """
        if self._shape[0] == 1:
            return fields
        total = fields.new_zeros(self._canvas)
        spread = fields.expand(self._shape).reshape(-1)
        total.view(-1).index_add_(0, self._pixels, spread)
        return total

    def add(self, canvas: Tensor, total: Tensor, alpha: float) -> None:
        """Add alpha times a total to the canvas.

        Parameters
        ----------
        canvas : Tensor (H, W)
            Changed in place.
        total : Tensor
            What `total` has returned.
        alpha : float
            Factor.
        """
        if self._shape[0] == 1:
            flat = total.reshape(-1)
            canvas.view(-1).index_add_(0, self._pixels, flat, alpha=alpha)
        else:
            canvas.add_(total, alpha=alpha)


def numbers_within(
    view: tuple[int, int], canvas: tuple[int, int], device: torch.device
) -> Tensor:
    """Numbers (h, w) of the pixels of a view on a flattened canvas; the first is 0.

    Parameters
    ----------
    view : (h, w)
        Pixels of a view.
    canvas : (H, W)
        Pixels of the canvas.
    device : torch.device
        Where to.

    Returns
    -------
    Tensor (h, w) int64
        The number of pixel (y, x) is ``y W + x``.
    """
    rows = torch.arange(view[0], device=device) * canvas[1]
    return rows[:, None] + torch.arange(view[1], device=device)
