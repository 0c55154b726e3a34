"""Tables of kinds, to which other packages can add: by a call, or by an entry point."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Generic, TypeVar

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

Item = TypeVar("Item")


class Registry(dict[str, Item], Generic[Item]):
    """Name -> kind, such as ``"rpie"`` -> `RPIE`; the first is the default.

    Parameters
    ----------
    group : str
        Group of entry points in which other packages name theirs, such as
        ``"napari_scicompty.algorithms"``; also what a kind is called in sentences, by
        its last part.
    own : dict
        The package's own kinds.
    fits : callable
        Tells whether something may stand in the table.
    """

    def __init__(
        self, group: str, own: dict[str, Item], fits: Callable[[object], bool]
    ) -> None:
        super().__init__(own)
        self._group, self._fits = group, fits

    @property
    def _what(self) -> str:
        return self._group.rpartition(".")[2].removesuffix("s")

    def register(self, name: str, kind: Item) -> None:
        """Add a kind, for scripts, recipes, the command line and the window alike.

        Parameters
        ----------
        name : str
            As recipes and the command line write it.
        kind : object
            What the table's kinds are: a class, or a `Format`.

        Raises
        ------
        InputError
            What is no such kind, or a name that another kind has.
        """
        if not self._fits(kind):
            raise InputError(
                f"{kind!r} cannot be the {self._what} {name!r}; see the page "
                "'Extending' for what one has to be"
            )
        if self.get(name, kind) is not kind:
            raise InputError(
                f"there is a {self._what} {name!r} already; choose another name"
            )
        self[name] = kind

    def load_plugins(self) -> None:
        """Add what installed packages name in the group; one that fails is left out.

        Why it failed stands in the log.
        """
        for point in entry_points(group=self._group):
            try:
                self.register(point.name, point.load())
            except Exception as error:  # somebody else's code may raise anything
                told = (self._what, point.name, point.value, error)
                log.warning("%s %r (%s) is left out: %s", *told, exc_info=error)

    def name_of(self, kind: object) -> str:
        """Return the name of a kind.

        Parameters
        ----------
        kind : object
            What stands in the table.

        Raises
        ------
        InputError
            One that is not in the table.
        """
        for name, known in self.items():
            if known is kind:
                return name
        called = getattr(kind, "__name__", repr(kind))
        raise InputError(
            f"{called} is not a known {self._what}, so that no recipe can name it; add "
            f"it by {self._what}s.register({called.lower()!r}, {called}), or by an "
            f"entry point of the group {self._group}"
        )
