"""The table of a family of settings, from the union that names its kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:
    from napari_scicompty.core.settings import Settings


def table_of(union: object) -> dict[str, type[Settings]]:
    """Return kind -> settings class, in the order of an annotated union."""
    kinds: tuple[type[Settings], ...] = get_args(get_args(union)[0])
    return {kind.model_fields["kind"].default: kind for kind in kinds}
