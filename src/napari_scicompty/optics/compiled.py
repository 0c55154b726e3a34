"""Machine code for the loops of `kernels`, made by numba where that is installed.

numba is imported when the first run asks for it, and not before. What was compiled is
kept on disk beside the sources, else in the user's cache folder (or NUMBA_CACHE_DIR);
where neither can be written it is compiled anew in every process.
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_scicompty.optics import batch_kernels, kernels

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

INSTALL = 'pip install "napari-scicompty[fast]"'
"""What brings numba."""

_C3, _C2, _C1 = "complex64[:,:,::1]", "complex64[:,::1]", "complex64[::1]"
_F2, _F1, _I1 = "float32[:,::1]", "float32[::1]", "int64[::1]"
_VIEW = f"{_C2}, int64, int64"
_PAIR = "UniTuple(float64, 2)"
_SIGNATURES = {
    "exit_one": f"void({_C3}, {_VIEW}, {_C3}, {_F1})",
    "modulus": f"float64({_C3}, {_F2}, {_F2}, {_F2}, float64, float64, float64)",
    "held_out": f"float64({_C3}, {_I1}, {_F1}, {_F2}, int64, float64)",
    "update_one": f"void({_C3}, {_VIEW}, {_C3}, {_F1}, {_PAIR}, {_PAIR}, boolean)",
    "exit_sum": f"void({_C3}, {_VIEW}, {_C3}, {_F2}, int64, int64)",
    "probe_weight": f"void({_C2}, {_I1}, {_I1}, float64, float64, {_F2})",
    "gather_object": f"void({_C3}, {_C3}, {_C2}, int64, int64)",
    "gather_probes": f"void({_VIEW}, {_C3}, {_C3})",
    "weigh_probes": f"void({_VIEW}, {_C3}, {_F2})",
    "add_weighted": f"void({_C3}, {_C3}, {_F2})",
    "step_object": f"void({_VIEW}, {_C2}, {_F2}, float64, float64)",
    "shift": f"void({_C3}, {_C1}, {_C1}, {_C3})",
    "add_shifted_back": f"void({_C3}, {_C1}, {_C1}, {_C3})",
}
_OPTIONS: dict[str, Any] = {
    # All that "fast" stands for, but that NaN and infinity stay what they are.
    "fastmath": {"contract", "arcp", "reassoc", "nsz", "afn"},
    "error_model": "numpy",
    "nogil": True,
}


class Kernels(NamedTuple):
    """The loops as machine code; each is called as its namesake is."""

    exit_one: Callable[..., None]
    """Exit waves of one view, and maxima."""
    modulus: Callable[..., float]
    """The modulus step, and its error."""
    held_out: Callable[..., float]
    """Error of pixels that take no part."""
    update_one: Callable[..., None]
    """Steps of object and probes by one view."""
    exit_sum: Callable[..., None]
    """Exit waves of one view of several, and their power."""
    probe_weight: Callable[..., None]
    """Weight of the probes' steps."""
    gather_object: Callable[..., None]
    """Sum for the object's step."""
    gather_probes: Callable[..., None]
    """Sum for the probes' steps."""
    weigh_probes: Callable[..., None]
    """Steps of shifted probes."""
    add_weighted: Callable[..., None]
    """Steps of probes by a sum."""
    step_object: Callable[..., None]
    """Step of the object by a sum."""
    shift: Callable[..., None]
    """Spectra of shifted probes."""
    add_shifted_back: Callable[..., None]
    """Sum of spectra that are shifted back."""


_lock = threading.Lock()
_made: Kernels | None = None


def load() -> Kernels:
    """Return the loops as machine code, compiled or read from disk by the first call.

    Compiling takes some seconds, reading about one. Other threads go on meanwhile.

    Raises
    ------
    ImportError
        numba is not installed, or does not fit this Python or numpy.
    """
    global _made
    if _made is None:
        with _lock:
            _made = _made or _make()
    return _made


def _make() -> Kernels:
    began = time.perf_counter()
    numba = importlib.import_module("numba")
    try:
        made = _compiled(numba, cache=True)
    except (OSError, RuntimeError) as error:
        log.info("compiled kernels cannot be kept on disk: %s", error)
        made = _compiled(numba, cache=False)
    log.info("kernels of numba are ready after %.1f s", time.perf_counter() - began)
    return made


def _compiled(numba: Any, *, cache: bool) -> Kernels:
    return Kernels(
        **{
            name: numba.njit(signature, cache=cache, **_OPTIONS)(_plain(name))
            for name, signature in _SIGNATURES.items()
        }
    )


def _plain(name: str) -> Callable[..., Any]:
    """Return a loop as plain Python."""
    return getattr(kernels, name, None) or getattr(batch_kernels, name)
