"""Ptychography in napari: open a scan, watch the object appear, keep the result.

The public face stands in `__init__.pyi`, name by name. Everything is loaded on first
use: importing the package loads neither torch nor Qt nor napari.
"""

import logging

import lazy_loader

from napari_scicompty.core import old_paths, renamed

_lazily, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
old_paths.install()


def __getattr__(name: str) -> object:
    """Return a public name, loaded on first use; old names with a warning."""
    if name in renamed.FACE:
        renamed.warn(f"napari_scicompty.{name}", renamed.FACE[name])
        name = renamed.FACE[name]
    return _lazily(name)


logging.getLogger(__name__).addHandler(logging.NullHandler())
