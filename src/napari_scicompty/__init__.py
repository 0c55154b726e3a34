"""Ptychography in napari: open a scan, watch the object appear, keep the result.

The public face stands in `__init__.pyi`, name by name. Everything is loaded on first
use: importing the package loads neither torch nor Qt nor napari.
"""

import logging

import lazy_loader

from napari_scicompty.core import old_paths

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
old_paths.install()
logging.getLogger(__name__).addHandler(logging.NullHandler())
