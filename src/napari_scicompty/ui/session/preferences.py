"""Our values in napari's preferences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_scicompty.recipe import Recipe


def preference(name: str, default: Any) -> Any:
    """Return one of our values in napari's preferences."""
    from napari.settings import get_plugin_settings

    try:
        return getattr(get_plugin_settings("napari-scicompty").engine, name)
    except (KeyError, AttributeError):  # the manifest is not registered (bare scripts)
        return default


def with_preferences(recipe: Recipe) -> Recipe:
    """Let the preferences decide what a recipe leaves automatic."""
    changes: dict[str, Any] = {}
    if recipe.shared.device == "auto":
        changes["device"] = preference("device", "auto")
    if recipe.shared.threads == 0:
        changes["threads"] = preference("cpu_threads", 0)
    return recipe.replace(shared=recipe.shared.replace(**changes))
