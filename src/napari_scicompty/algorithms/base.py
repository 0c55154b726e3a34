"""What every algorithm is: frozen settings with a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured

    DeviceStep = Callable[[Estimate, Measured, Tensor, dict[str, Any]], Tensor]


class Algorithm(Settings):
    """Frozen settings of one rule; what changes from step to step lives outside.

    ``step`` gets a ``state`` dictionary that belongs to the run: it holds ``epoch``,
    ``update_probe`` (False while the probe is held or frozen), ``literal`` (True while
    light beside a near-field detector is to count as none) and whatever the
    algorithm puts there (moments), and travels with every snapshot, so that a run
    continues exactly.
    """

    title: ClassVar[str] = ""
    default_batch: ClassVar[int] = 1

    def step(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        state: dict[str, Any],
    ) -> Tensor:
        """Improve the estimate in place with the patterns of a batch.

        Returns the squared error of each pattern before the step, shape (B,).
        """
        raise NotImplementedError

    @property
    def device_step(self) -> DeviceStep | None:
        """`step` for patterns whose numbers (B,) only the device knows.

        It does the same with any of them and waits for nothing, so that it can be
        recorded on a GPU and replayed. None where there is no such step.
        """
        return None

    @property
    def refines(self) -> tuple[str, ...]:
        """What is refined beside object and probe, as refiners name it."""
        return ()

    def check(self, geometry: Geometry, *, probe_is_known: bool) -> None:
        """Refuse what is asked for and cannot be seen in this run.

        Parameters
        ----------
        probe_is_known : bool
            Whether the probe is calibrated and stays as it is.

        Raises
        ------
        InputError
            With the reason.
        """

    def end_epoch(
        self, estimate: Estimate, measured: Measured, state: dict[str, Any]
    ) -> dict[str, float]:
        """Act on what an epoch has gathered.

        Returns
        -------
        dict
            Quantity -> size of its change, as `Refined` has it.
        """
        del estimate, measured, state
        return {}

    def gentler(self) -> Self | None:
        """Return settings that diverge less easily; None when there are none."""
        return None

    def step_bytes(
        self, batch: int, modes: int, view: int, grid: int, canvas: int
    ) -> int:
        """Return the memory of a step beside amplitudes, object and probe, as measured.

        Parameters
        ----------
        batch, modes : int
            Positions of a step, probe modes.
        view, grid, canvas : int
            Pixels of a view, of the grid on which it is propagated (in far field the
            view itself), and of the object.
        """
        del canvas
        waves = 4 * view if grid == view else 3 * grid
        return 8 * batch * (4 * view + modes * waves)


def as_algorithm(value: object) -> Algorithm:
    """Return an algorithm as it is; InputError for what is none, such as its class."""
    if not isinstance(value, Algorithm):
        what = value.__name__ if isinstance(value, type) else repr(value)
        raise InputError(f"algorithm is {what}; give an instance, such as RPIE()")
    return value
