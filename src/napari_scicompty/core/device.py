"""Where to compute: the device, and how many threads."""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import torch

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import available_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

log = logging.getLogger(__name__)

Value = TypeVar("Value")


def pick_device(name: str) -> torch.device:
    """Turn ``"auto"`` or a name into a device.

    Parameters
    ----------
    name : str
        ``"auto"``, ``"cuda"``, ``"mps"`` or ``"cpu"``; auto takes the first that is
        there, in this order.

    Returns
    -------
    torch.device
        One that PyTorch can use here.

    Raises
    ------
    InputError
        The device is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    have = [key for key, value in there.items() if value]
    if name == "auto":
        log.debug("device auto: %s of %s", have[0], have)
        return torch.device(have[0])
    if name not in have:
        raise InputError(
            f"device {name!r} is not available here; PyTorch sees: {', '.join(have)}. "
            "Choose one of these or 'auto', or install a build of PyTorch for your GPU"
        )
    return torch.device(name)


def exact_dtype(device: torch.device) -> torch.dtype:
    """Real numbers of 64 bits; of 32 on Apple's GPUs, which know no others.

    Parameters
    ----------
    device : torch.device
        Where the tensors lie.

    Returns
    -------
    torch.dtype
        ``float64``, or ``float32`` on MPS.
    """
    return torch.float32 if device.type == "mps" else torch.float64


def free_bytes(device: torch.device) -> int:
    """Memory of a device that is free, what torch holds in reserve included.

    Parameters
    ----------
    device : torch.device
        Where the tensors lie.

    Returns
    -------
    int
        Bytes.
    """
    if device.type == "cuda":
        reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(
            device
        )
        return int(torch.cuda.mem_get_info(device)[0]) + reserve
    if device.type == "mps":
        most = torch.mps.recommended_max_memory()
        return int(most - torch.mps.driver_allocated_memory())
    return available_bytes()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is short, on a device or on the host.

    Parameters
    ----------
    error : exception
        What was raised.
    """
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error)


def fitting_threads(wave_size: int) -> int:
    """CPU threads for waves of this many numbers.

    One for small waves: on busy cores several are many times slower.

    Parameters
    ----------
    wave_size : int
        Numbers of all waves of a step together.

    Returns
    -------
    int
        1 or more.
    """
    if wave_size < 2**20:
        return 1
    return max(1, (os.cpu_count() or 2) - 1)


class Switch(Generic[Value]):
    """A setting of the whole process that several may change for a while.

    What it was before comes back when the last of them has ended, in whatever order.

    Parameters
    ----------
    get, set : callable
        Of the setting.
    """

    def __init__(
        self, get: Callable[[], Value], set: Callable[[Value], object]
    ) -> None:
        self._get, self._set = get, set
        self._lock = threading.Lock()
        self._users = 0
        self._before: Value

    @contextmanager
    def to(self, value: Value) -> Iterator[None]:
        """Give the setting a value for a while; the last one that did so counts.

        Parameters
        ----------
        value : any
            Passed to `set`.

        Yields
        ------
        None
            While the block runs, the setting has the value.
        """
        with self._lock:
            if not self._users:
                self._before = self._get()
            self._users += 1
            self._set(value)
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._set(self._before)


_THREADS = Switch(torch.get_num_threads, torch.set_num_threads)


def cpu_threads(count: int) -> AbstractContextManager[None]:
    """Let torch use `count` threads for a while.

    Parameters
    ----------
    count : int
        Threads, 1 or more.

    Returns
    -------
    context manager
        The number of before comes back at its end.
    """
    return _THREADS.to(count)


def copied_state(
    state: Mapping[str, object], device: torch.device
) -> dict[str, object]:
    """Copy a state: dictionaries and arrays too; its tensors go to a device.

    Parameters
    ----------
    state : dict
        Numbers, arrays, tensors, and dictionaries of these.
    device : torch.device
        Where tensors go.

    Returns
    -------
    dict
        Shares no memory with `state`.
    """
    copied: dict[str, object] = {}
    for name, value in state.items():
        if isinstance(value, dict):
            copied[name] = copied_state(value, device)
        elif isinstance(value, torch.Tensor):
            copied[name] = value.detach().to(device, copy=True)
        else:
            copied[name] = value.copy() if isinstance(value, np.ndarray) else value
    return copied
