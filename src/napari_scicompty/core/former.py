"""Defaults that changed: what recipes and results of before leave out stays as it was.

A saved recipe writes all its settings, so that a changed default changes only what is
not written. Recipes without a ``format_version``, or with an earlier one, get what was
the default when they were written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMER: dict[int, dict[str, dict[str, object]]] = {
    3: {
        "stage": {"algorithm": "rpie"},
        "start auto": {"patterns": 400, "coarse": False},
        "autodiff": {"momentum_share": 0.9, "warm_up": 0, "falls": "half life"},
    },
}
"""Version of recipes -> kind of table -> setting -> its default before that version.

The kind is the name of an algorithm, "start" with the name of a start, or "stage" for
the stage's own settings, such as which algorithm it has.
"""


def with_former(
    kind: str, given: Mapping[str, object], version: int = 0
) -> dict[str, object]:
    """Fill in what an earlier version left out, with the defaults that it had.

    Parameters
    ----------
    kind : str
        Name of the algorithm; "stage" for a stage.
    given : mapping
        Setting -> value, as they were written.
    version : int
        Of the recipe. With 0 all defaults of before: right for what is recorded with
        all its settings, where one that is missing did not yet exist.

    Returns
    -------
    dict
        The same with more settings, where there are any.
    """
    filled = dict(given)
    for since in sorted(FORMER):
        if version < since:
            for name, value in FORMER[since].get(kind, {}).items():
                filled.setdefault(name, value)
    return filled
