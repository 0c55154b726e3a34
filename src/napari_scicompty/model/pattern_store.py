"""Where the amplitudes of the patterns are kept, and how they are written down."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch

from napari_scicompty.core.errors import EngineError
from napari_scicompty.core.stacks import chunks, release
from napari_scicompty.optics.patches import rows
from napari_scicompty.optics.propagators import detector_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.optics.patches import Batch

    Fetch = Callable[[NDArray[np.int64]], NDArray[np.generic]]

_MOST_COUNTS = 2**16 - 1
_OFFSET = 2**15
_BLOCK_BYTES = 2**20
_AHEAD = 3


@dataclass(frozen=True)
class Packing:
    """How an amplitude sqrt(max(I, 0)) is written down.

    ``"float32"`` is the amplitude itself. ``"counts"`` are whole counts up to 65535 in
    16 bits, of which the square root is taken anew each time: exact. ``"float16"`` is
    the amplitude over `unit`, rounded to 11 bits: a relative error of 2.8e-4 (rms), at
    65535 counts a seventh of the counting noise, which is 1/2 in any amplitude.
    """

    kind: Literal["float32", "float16", "counts"] = "float32"
    """See above."""
    unit: float = 1.0
    """Amplitude that is written as 1; for ``"float16"`` alone."""

    @classmethod
    def smallest(cls, scan: Scan) -> Packing:
        """Return what is lossless enough for a scan in the fewest bits.

        Parameters
        ----------
        scan : Scan
            What was measured.
        """
        if scan.largest_count > _MOST_COUNTS:
            return cls()
        if scan.patterns.dtype.kind in "ui":
            return cls("counts")
        return cls("float16", float(np.sqrt(scan.largest_count)) / _OFFSET)

    @property
    def dtype(self) -> torch.dtype:
        """Of what is kept; shifted counts, as torch knows few things of uint16."""
        return {
            "float32": torch.float32,
            "float16": torch.float16,
            "counts": torch.int16,
        }[self.kind]

    def pack(self, counts: NDArray[np.float32]) -> NDArray[np.generic]:
        """Write down counts (k, h, w), none of them negative; they are overwritten.

        Parameters
        ----------
        counts : array (k, h, w) float32
            Counts.

        Returns
        -------
        array (k, h, w)
            float32, int16 or float16; see the class.
        """
        # Patterns that take no part may hold anything.
        with np.errstate(invalid="ignore", over="ignore"):
            if self.kind == "counts":
                return np.subtract(counts, _OFFSET, out=counts).astype(np.int16)
            root = np.sqrt(counts, out=counts)
            if self.kind == "float32":
                return root
            return np.divide(root, self.unit, out=root).astype(np.float16)

    def unpack(self, packed: Tensor) -> Tensor:
        """Return amplitudes, float32.

        Parameters
        ----------
        packed : Tensor (...)
            What `pack` has made.
        """
        if self.kind == "float32":
            return packed
        values = packed.to(torch.float32)
        if self.kind == "counts":
            return values.add_(_OFFSET).sqrt_()
        return values.mul_(self.unit)


@dataclass(frozen=True)
class Keeping:
    """How the amplitudes of a run are kept."""

    place: Literal["device", "host", "scan"] = "device"
    """On the device, in the host's memory, or nowhere: taken from the scan each time.
    """
    packing: Packing = Packing()
    """How each amplitude is written down."""


class Storage(Protocol):
    """Amplitudes of the patterns, in the propagator's order."""

    def __getitem__(self, batch: Batch) -> Tensor:
        """Amplitudes (B, 1, h, w), float32, on the device; not to be written into."""

    def expect(self, order: Sequence[int], batch: int) -> None:
        """Take note of the order in which patterns will be asked for, by batches.

        Parameters
        ----------
        order : sequence of int
            Numbers of the patterns to come.
        batch : int
            Patterns that are asked for at a time.
        """


class Kept:
    """All of them in the memory of the device.

    Parameters
    ----------
    packed : Tensor (n, h, w)
        What `Packing.pack` has made, on the device.
    packing : Packing
        How to read it.
    """

    def __init__(self, packed: Tensor, packing: Packing) -> None:
        self.packed = packed
        self.packing = packing

    def __getitem__(self, batch: Batch) -> Tensor:
        """Amplitudes (B, 1, h, w), float32; not to be written into."""
        return self.packing.unpack(self.packed[rows(batch)].unsqueeze(1))

    def expect(self, order: Sequence[int], batch: int) -> None:
        """Nothing has to be fetched.

        Parameters
        ----------
        order : sequence of int
            Numbers of the patterns to come.
        batch : int
            Patterns that are asked for at a time.
        """


class Fetched:
    """Fetched from somewhere slow: a few batches ahead, by a thread.

    Patterns that come out of the order that was told are fetched when asked for.

    Parameters
    ----------
    fetch : callable
        Packed amplitudes (k, h, w) by the numbers (k,) of the patterns.
    packing : Packing
        How to read what `fetch` gives.
    device : torch.device
        Where they are wanted.
    frame_bytes : int
        Of one packed pattern.
    """

    def __init__(
        self, fetch: Fetch, packing: Packing, device: torch.device, frame_bytes: int
    ) -> None:
        self._fetch = fetch
        self._packing = packing
        self._device = device
        self._fewest = self._size = max(1, _BLOCK_BYTES // frame_bytes)
        self._thread = ThreadPoolExecutor(1, "patterns")
        self._order: NDArray[np.int64] = np.zeros(0, np.int64)
        self._places: dict[int, int] = {}
        self._coming: dict[int, Future[Tensor]] = {}

    def __getitem__(self, batch: Batch) -> Tensor:
        """Amplitudes (B, 1, h, w), float32."""
        if isinstance(batch, torch.Tensor):
            batch = batch.tolist()
        places = [divmod(self._places.get(j, -1), self._size) for j in batch]
        if all(block in self._coming for block, _ in places):
            rows = [self._coming[block].result()[row] for block, row in places]
            packed = rows[0].unsqueeze(0) if len(rows) == 1 else torch.stack(rows)
            blocks = [block for block, _ in places]
            self._go_on(min(blocks), max(blocks))
        else:
            packed = self._read(np.asarray(batch))
        packed = packed.to(self._device, non_blocking=True)
        return self._packing.unpack(packed.unsqueeze(1))

    def expect(self, order: Sequence[int], batch: int) -> None:
        """Begin to fetch in this order, a batch or more at a time.

        Parameters
        ----------
        order : sequence of int
            Numbers of the patterns to come.
        batch : int
            Patterns that are asked for at a time.
        """
        for future in self._coming.values():
            future.cancel()
        self._size = max(batch, self._fewest)
        self._order = np.asarray(order, np.int64)
        self._places = {int(j): place for place, j in enumerate(self._order)}
        self._coming = {}
        self._go_on(0, 0)

    def _go_on(self, first: int, last: int) -> None:
        """Drop the blocks before `first`, and ask for those that follow `last`."""
        for block in [b for b in self._coming if b < first]:
            del self._coming[block]
        for block in range(first, last + _AHEAD):
            numbers = self._order[block * self._size : (block + 1) * self._size]
            if block not in self._coming and len(numbers):
                self._coming[block] = self._thread.submit(self._read, numbers)

    def _read(self, numbers: NDArray[np.int64]) -> Tensor:
        try:
            packed = torch.from_numpy(self._fetch(numbers))
        except OSError as error:
            raise EngineError(
                f"The patterns cannot be read any more ({error}); is their disk still "
                "there?"
            ) from error
        return packed.pin_memory() if self._device.type == "cuda" else packed


def stored(
    scan: Scan, good: NDArray[np.bool_], keeping: Keeping, device: torch.device
) -> Kept | Fetched:
    """Keep the amplitudes of a scan.

    Parameters
    ----------
    scan : Scan
        What was measured.
    good : (h, w)
        In the scan's order; elsewhere amplitudes are zero.
    keeping : Keeping
        Where and how.
    device : torch.device
        Where the run computes.

    Returns
    -------
    Kept or Fetched
        Gives amplitudes (B, 1, h, w) by a batch.
    """
    packing = keeping.packing

    def packed(raw: NDArray[np.generic]) -> NDArray[np.generic]:
        counts = np.where(good, raw, 0).astype(np.float32, copy=False)
        np.maximum(counts, 0, out=counts)
        return detector_order(packing.pack(counts), scan.geometry)

    def from_scan(numbers: NDArray[np.int64]) -> NDArray[np.generic]:
        frames = packed(scan.patterns[numbers])
        release(scan.patterns)
        return frames

    h, w = scan.frame_shape
    frame_bytes = h * w * packing.dtype.itemsize
    if keeping.place == "scan":
        return Fetched(from_scan, packing, device, frame_bytes)
    where = device if keeping.place == "device" else torch.device("cpu")
    whole = torch.empty((len(scan), h, w), dtype=packing.dtype, device=where)
    for part, raw in chunks(scan.patterns):
        whole[part] = torch.from_numpy(packed(raw))
    if keeping.place == "device":
        return Kept(whole, packing)
    array = whole.numpy()
    return Fetched(lambda numbers: array[numbers], packing, device, frame_bytes)
