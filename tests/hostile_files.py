"""Named hostile inputs that are no HDF5: arrays, pictures, texts, recipes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from hostile import CASES, STACK, YX, Case, H, N, W

if TYPE_CHECKING:
    from pathlib import Path


# -- NPY ------------------------------------------------------------------------------
def npy(header: str, body: bytes = b"", version: int = 1) -> bytes:
    text = header.encode("latin1") + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(text) % 2**16)
    return b"\x93NUMPY" + bytes([version, 0]) + size + text + body


def _header(shape: Any, dtype: Any = "<f8", order: Any = False) -> str:
    return str({"descr": dtype, "fortran_order": order, "shape": shape})


def _saved(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


NPY = {
    "shape beyond all": npy(_header((2**40, 2**20))),
    "shape of a tera": npy(_header((10**6, 10**6)), bytes(64)),
    "negative shape": npy(_header((-4, 16, 16)), bytes(8192)),
    "shape of text": npy(_header(("4", "2")), bytes(64)),
    "shape of floats": npy(_header((4.0, 2.0)), bytes(64)),
    "shape of truth": npy(_header((True, True)), bytes(8)),
    "no shape": npy("{'descr': '<f8', 'fortran_order': False}"),
    "dtype of objects": npy(_header((2, 2), "|O"), bytes(64)),
    "dtype of nothing": npy(_header((4, 2), "|V0")),
    "dtype of text": npy(_header((4, 2), "<U8"), bytes(256)),
    "dtype of dates": npy(_header((4, 2), "<M8[s]"), bytes(64)),
    "dtype unknown": npy(_header((4, 2), "<q99"), bytes(64)),
    "dtype of complex": npy(_header((4, 16, 16), "<c16"), bytes(2**15)),
    "dtype of records": npy(_header((4, 2), [("a", "<f8"), ("b", "<i4")]), bytes(96)),
    "header cut": npy(_header((4, 2)))[:30],
    "header is code": npy("__import__('os').system('true')"),
    "header of brackets": npy("(" * 9000),
    "header of brackets, closed": npy("(" * 4000 + ")" * 4000),
    "header of minus": npy("{'descr': " + "-" * 9000 + "1}"),
    "header of noise": npy("\xff\xfe\x00" * 99),
    "header of 60 kB": npy(_header((4, 2)) + " " * 60_000, bytes(64)),
    "version 2 without end": npy(_header((4, 2)), version=2),
    "version 99": npy(_header((4, 2)), bytes(64), version=99),
    "body cut": _saved(STACK)[:-9],
    "pickled": _saved(np.array([{"a": 1}, [2]], dtype=object)),
    "not a number of axes": _saved(np.float64(3.0)),
    "empty array": _saved(np.zeros((0, 2))),
    "empty frames": _saved(np.zeros((4, 0, 16))),
    "one axis": _saved(np.ones(7)),
    "32 axes": _saved(np.ones((1,) * 32)),
    "nan": _saved(np.full((N, 2), np.nan)),
    "frames of nan": _saved(np.full((N, H, W), np.nan)),
    "frames of inf": _saved(np.full((N, H, W), np.inf)),
    "frames of 1e300": _saved(np.full((N, H, W), 1e300)),
    "frames of 1e37": _saved(np.full((N, H, W), 1e37, "f4")),
    "frames below zero": _saved(np.full((N, H, W), -1.0)),
    "frames of zeros": _saved(np.zeros((N, H, W))),
    "frames of 4 pixels": _saved(np.ones((N, 2, 2))),
}  # fmt: skip
_NAMES = {"npy": "patterns", "positions-npy": "positions", "probe-npy": "probe"}
for _kind in _NAMES:
    for _name, _bytes in NPY.items():
        CASES[f"{_kind}: {_name}"] = Case(
            _kind, lambda path, data=_bytes: path.write_bytes(data)
        )
CASES["npy: in Fortran's order"] = Case(
    "npy", lambda path: np.save(path, np.asfortranarray(STACK)), "opens"
)
CASES["npy: big endian"] = Case(
    "npy", lambda path: np.save(path, STACK.astype(">u2")), "opens"
)
CASES["npy: a grid"] = Case(
    "npy", lambda path: np.save(path, STACK.reshape(2, 2, H, W)), "opens"
)
CASES["probe-npy: frames below zero"] = Case(
    "probe-npy", lambda path: np.save(path, np.full((H, W), -1.0)), "opens"
)
CASES["probe-npy: 1000 modes"] = Case(
    "probe-npy", lambda path: np.save(path, np.ones((1000, H, W), complex))
)
CASES["probe-npy: 65 modes"] = Case(
    "probe-npy", lambda path: np.save(path, np.ones((65, H, W), "c8")), says="64"
)
CASES["probe-npy: 64 modes"] = Case(
    "probe-npy", lambda path: np.save(path, np.ones((64, H, W), "c8")), "opens"
)
CASES["probe-npy: 1e300"] = Case(
    "probe-npy", lambda path: np.save(path, np.full((H, W), 1e300))
)


# -- TIFF -----------------------------------------------------------------------------
def tags(
    *entries: tuple[int, int, int, int], after: int = 0, body: int = 4096
) -> bytes:
    """A classic TIFF of one directory: (tag, type, count, value) each."""
    head = b"II*\0" + struct.pack("<I", 8)
    rows = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return (
        head
        + struct.pack("<H", len(entries))
        + rows
        + struct.pack("<I", after)
        + (bytes(range(256)) * (body // 256))
    )


def _page(wide: int = W, high: int = H, **more: int) -> list[tuple[int, int, int, int]]:
    own = {256: wide, 257: high, 258: 16, 259: 1, 262: 1, 273: 200, 277: 1, 278: high}
    own[279] = min(2 * wide * high, 2**32 - 1)
    own |= {int(tag[1:]): value for tag, value in more.items()}
    return [(tag, 4, 1, value) for tag, value in own.items()]


def _circle(pages: int) -> bytes:
    """Directories that lead back to the first."""
    one = tags(*_page(), body=0)
    size = len(one) - 8
    body = b""
    for j in range(pages):
        after = 8 + size * ((j + 1) % pages)
        body += one[8:-4] + struct.pack("<I", after)
    return one[:8] + body + bytes(8192)


def _packed(path: Path) -> None:
    """One page of a gigabyte of zeros, as gzip packs them."""
    pack = zlib.compressobj(1)
    data = b"".join(pack.compress(bytes(2**20)) for _ in range(2**10)) + pack.flush()
    entries = _page(2**15, 2**14, t259=8, t279=len(data), t273=200)
    path.write_bytes(tags(*entries, body=0).ljust(200, b"\0") + data)


TIFF = {
    "no directory": b"II*\0" + struct.pack("<I", 2**31),
    "directory at 0": b"II*\0" + bytes(4),
    "directory in itself": tags(*_page(), after=8),
    "circle of 2": _circle(2),
    "circle of 300": _circle(300),
    "65535 entries": b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(2000),
    "a page of 4 G x 4 G": tags(*_page(2**32 - 1, 2**32 - 1)),
    "a page of 0 x 0": tags(*_page(0, 0)),
    "no size": tags((259, 4, 1, 1), (262, 4, 1, 1)),
    "strips of one row, 4 G rows": tags(*_page(1, 2**32 - 1, t278=1)),
    "rows per strip 0": tags(*_page(t278=0)),
    "4 G strips": tags(*_page()[:5], (273, 4, 2**32 - 1, 200), (279, 4, 2**32 - 1, 8)),
    "offset beyond": tags(*_page(t273=2**32 - 2)),
    "bytes beyond": tags(*_page(t279=2**32 - 2)),
    "7 bits": tags(*_page(t258=7)),
    "999 bits": tags(*_page(t258=999)),
    "0 bits": tags(*_page(t258=0)),
    "sample format 77": tags(*_page(), (339, 4, 1, 77)),
    "complex samples": tags(*_page(t258=64), (339, 4, 1, 6)),
    "compression 999": tags(*_page(t259=999)),
    "compression LZW of noise": tags(*_page(t259=5)),
    "compression gzip of noise": tags(*_page(t259=8)),
    "compression JPEG of noise": tags(*_page(t259=7)),
    "compression ZSTD of noise": tags(*_page(t259=50000)),
    "compression WebP of noise": tags(*_page(t259=50001)),
    "30 samples": tags(*_page(t277=30)),
    "4 G samples": tags(*_page(t277=2**32 - 1)),
    "tiles of 0": tags(*_page(), (322, 4, 1, 0), (323, 4, 1, 0), (324, 4, 1, 200)),
    "tiles of 1": tags(*_page(), (322, 4, 1, 1), (323, 4, 1, 1), (324, 4, 1, 200)),
    "depth of 4 G": tags(*_page(), (32997, 4, 1, 2**32 - 1)),
    "description of a tera": tags(*_page(), (270, 2, 2**31, 8)),
    "big TIFF of nothing": b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**60),
}
for _name, _bytes in TIFF.items():
    CASES[f"tiff: {_name}"] = Case(
        "tiff", lambda path, data=_bytes: path.write_bytes(data)
    )
    CASES[f"picture: {_name}"] = Case(
        "picture", lambda path, data=_bytes: path.write_bytes(data), "either"
    )
CASES["tiff: a gigabyte of zeros"] = Case("tiff", _packed)
CASES["picture: a gigabyte of zeros"] = Case("picture", _packed)
for _name in (  # what is wrong with them does not touch the pixels
    "tiff: tiles of 1",
    "tiff: rows per strip 0",
    "tiff: bytes beyond",
    "tiff: description of a tera",
):
    CASES[_name] = CASES[_name]._replace(must="either")


def _described(text: str, **options: Any) -> Any:
    return lambda path: tifffile.imwrite(
        path,
        STACK,
        photometric="minisblack",
        description=text,
        metadata=None,
        **options,
    )


_XML = '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/{}">'
_LAUGHS = '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "{}">'.format("ha" * 50)
_LAUGHS += "".join(
    f'<!ENTITY {b} "{("&" + a + ";") * 10}">'
    for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)
DESCRIBED = {
    "ImageJ of a tera": "ImageJ=1.11a\nimages=1000000000\nslices=1000000000\n",
    "ImageJ of words": "ImageJ=1.11a\nimages=many\n",
    "shaped of a tera": '{"shape": [1000000, 1000000, 16, 16]}',
    "shaped below zero": '{"shape": [-4, 16, 16]}',
    "shaped of words": '{"shape": "all"}',
    "shaped of brackets": '{"shape": ' + "[" * 50_000,
    "OME cut": _XML.format("2016-06"),
    "OME of a tera": _XML.format("2016-06")
    + '<Image ID="Image:0"><Pixels ID="P" DimensionOrder="XYZCT" Type="uint16" '
    'SizeX="100000" SizeY="100000" SizeZ="1000" SizeC="1000" SizeT="1000"><TiffData/>'
    "</Pixels></Image></OME>",
    "OME of other files": _XML.format("2016-06")
    + '<Image ID="Image:0"><Pixels ID="P" DimensionOrder="XYZCT" Type="uint16" '
    'SizeX="16" SizeY="16" SizeZ="4" SizeC="1" SizeT="1"><TiffData IFD="0" FirstZ="0">'
    '<UUID FileName="/dev/zero">urn:uuid:1</UUID></TiffData></Pixels></Image></OME>',
    "OME of laughs": _LAUGHS + "]><OME>&j;</OME>",
    "OME 20000 deep": "<OME>" + "<a>" * 20_000 + "</a>" * 20_000 + "</OME>",
}
for _name, _description in DESCRIBED.items():
    CASES[f"tiff: {_name}"] = Case("tiff", _described(_description), "either")


def _folder_of(*frames: Any) -> Any:
    def write(path: Path) -> None:
        path.mkdir()
        for j, frame in enumerate(frames):
            if callable(frame):
                frame(path / f"{j}.tif")
            else:
                tifffile.imwrite(path / f"{j}.tif", frame)

    return write


_FOLDERS = {
    "a pipe": _folder_of(STACK[0], lambda p: __import__("os").mkfifo(p)),
    "a device": _folder_of(STACK[0], lambda p: p.symlink_to("/dev/zero")),
    "a folder": _folder_of(STACK[0], lambda p: p.mkdir()),
    "an empty file": _folder_of(STACK[0], lambda p: p.touch()),
    "another size": _folder_of(STACK[0], STACK[0, :8]),
    "another dtype": _folder_of(STACK[0], STACK[0].astype("f4")),
    "a text": _folder_of(STACK[0], lambda p: p.write_text("no picture")),
    "a circle": _folder_of(STACK[0], lambda p: p.write_bytes(_circle(3))),
    "a colour picture": _folder_of(STACK[0], np.zeros((H, W, 3), "u1")),
    "nothing": _folder_of(),
}
for _name, _write in _FOLDERS.items():
    CASES[f"tiff folder: with {_name}"] = Case("tiff", _write)


# -- text -----------------------------------------------------------------------------
_PAIRS = "\n".join(f"{x} {y}" for y, x in YX.tolist())
TEXT: dict[str, str | bytes] = {
    "one column": "1\n2\n3\n",
    "three columns": "1 2 3\n",
    "words": "a b\nc d\n",
    "words below": "1 2\nx y\n",
    "nan": "nan 1\n", "inf": "inf 1\n", "-inf": "1 -inf\n", "1e999": "1e999 1\n",
    "complex": "1+2j 1\n", "hexadecimal": "0x10 1\n", "fractions": "1/2 1\n",
    "decimal commas": "1,5 2,5\n",
    "only comments": "# a\n# b\n", "only blanks": "\n \n\t\n", "only names": "x y\n",
    "nulls": b"1 2\n\0\0\0\n", "latin": "1 2\nµ µ\n".encode("latin1"),
    "UTF-16": "1 2\n3 4\n".encode("utf-16"), "UTF-32": "1 2\n".encode("utf-32"),
    "surrogates": b"1 2\n\xed\xa0\x80 1\n", "line of 5000": "1" * 5000 + " 2\n",
    "line of 20 MB": "1 " * 10_000_000, "no line end": "7" * 20_000_000,
    "digits": "1" * 4000 + " 1\n", "brackets": "[" * 4000 + "\n",
    "JSON": '{"x": [1, 2]}\n', "TOML": "x = 1\ny = 2\n", "XML": "<x>1</x>\n",
    "a script": "#!/bin/sh\nrm -rf /\n", "a header twice": "x y\nx y\n1 2\n",
    "semicolons": ";;;;;;\n", "commas": ",,1,,2,,\n", "quotes": '"1","2"\n',
    "control characters": "1 2\n\x1b[2J\x07 1\n", "form feeds": "1\f2\x0b3\n",
    "booleans": "True False\n", "dates": "2026-01-01 12:00\n",
}  # fmt: skip
for _name, _content in TEXT.items():
    _data = _content if isinstance(_content, bytes) else _content.encode()
    CASES[f"text: {_name}"] = Case("text", lambda path, d=_data: path.write_bytes(d))
GOOD_TEXT = {
    "old Mac": _PAIRS.replace("\n", "\r"), "DOS": _PAIRS.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + _PAIRS, "tabs": _PAIRS.replace(" ", "\t"),
    "signs": "+1 -2\n", "exponents": "1e-6 1E-6\n", "comment at the end": "1 2 # a\n",
}  # fmt: skip
for _name, _content in GOOD_TEXT.items():
    CASES[f"text: {_name}"] = Case(
        "text", lambda path, text=_content: path.write_bytes(text.encode()), "opens"
    )


def _many_lines(path: Path) -> None:
    path.write_bytes(b"0.1 0.2\n" * 10_000_000)


def _long_line(path: Path) -> None:
    path.write_bytes(b"1" * 200_000_000)


CASES["text: 10 million lines"] = Case("text", _many_lines)
CASES["text: a line of 200 MB"] = Case("text", _long_line)


# -- recipes --------------------------------------------------------------------------
_VIRTUAL = "[virtual_experiment]\n"


def _run(text: str) -> str:
    return f"{_VIRTUAL}[run]\n{text}\n"


def _stage(text: str) -> str:
    return f"{_VIRTUAL}[[stage]]\n{text}\n"


def _part(text: str) -> str:
    return f"{_VIRTUAL}{text}\n"


RECIPES: dict[str, str | bytes] = {
    "900 deep": "x = " + "[" * 900 + "]" * 900,
    "100000 brackets": "x = " + "[" * 100_000,
    "tables 900 deep": "[" + ".".join("a" * 900) + "]\nb = 1",
    "input 900 deep": "[input." + ".".join("a" * 900) + "]\nb = 1",
    "inline 300 deep": "[input]\npath = " + "{a = " * 300 + "1" + "}" * 300,
    "1000000 stages": _VIRTUAL + "[[stage]]\n" * 1_000_000,
    "2000 stages": _VIRTUAL + "[[stage]]\n" * 2000,
    "5 MB": "# " + "x" * 5_000_000,
    "a key twice": "[input]\npath = 'a'\npath = 'b'",
    "not UTF-8": b"[input]\npath = '\xff\xfe'",
    "an integer of 5000 digits": _run("seed = " + "9" * 5000),
    "a date": _run("seed = 2026-01-01"),
    "epochs true": _stage("epochs = true"), "epochs nan": _stage("epochs = nan"),
    "epochs inf": _stage("epochs = inf"), "epochs -1": _stage("epochs = -1"),
    "epochs 10^18": _stage("epochs = 1000000000000000000"),
    "batch 10^18": _stage("batch = 1000000000000000000"),
    "batch true": _stage("batch = true"), "batch 0": _stage("batch = 0"),
    "batch text": _stage("batch = '8'"), "batch list": _stage("batch = [8]"),
    "threads 100000": _run("threads = 100000"), "threads true": _run("threads = true"),
    "modes 1000": _run("modes = 1000"), "modes true": _run("modes = true"),
    "seed 2^64": _run(f"seed = {2**64}"), "seed -1": _run("seed = -1"),
    "seed true": _run("seed = true"), "memory nan": _run("memory_gb = nan"),
    "memory true": _run("memory_gb = true"), "held out true": _run("held_out = true"),
    "excluded true": _run("excluded = [true]"), "excluded text": _run("excluded = 'a'"),
    "excluded 10^18": _run("excluded = [1000000000000000000]"),
    "alpha nan": _stage("alpha_object = nan"), "alpha true": _stage("gamma = true"),
    "wavelength true": _part("wavelength_m = true"),
    "wavelength inf": _part("wavelength_m = inf"),
    "wavelength nan": _part("wavelength_m = nan"),
    "wavelength 0": _part("wavelength_m = 0"), "distance -1": _part("distance_m = -1"),
    "frame 10^9": _part("detector.frame = 1000000000"),
    "frame true": _part("detector.frame = true"),
    "pixel 0": _part("detector.pixel_m = 0"),
    "pixel -1": _part("detector.pixel_m = -1"),
    "pixel inf": _part("detector.pixel_m = inf"),
    "pixel nan": _part("detector.pixel_m = nan"),
    "photons inf": _part("detector.photons = inf"),
    "rows 10^18": _part("path.rows = 1000000000000000000"),
    "rows true": _part("path.rows = true"),
    "spokes 10^18": _part("object.spokes = 1000000000000000000"),
    "kind unknown": _part("object.kind = 'moon'"),
    "kind list": _part("path.kind = [1]"),
    "start unknown": _part("[start]\nname = 'best'"),
    "start list": _part("[start]\nname = [1]"),
    "radius true": _part("[start]\nname = 'disc'\nradius_m = true"),
    "radius inf": _part("[start]\nname = 'disc'\nradius_m = inf"),
    "refine unknown": _stage("refine = ['mass']"),
    "refine 3": _stage("refine = 3"), "refine nested": _stage("refine = [[[1]]]"),
    "algorithm 3": _stage("algorithm = 3"), "stage true": "stage = true\n" + _VIRTUAL,
    "stages of text": "stage = ['a']\n" + _VIRTUAL,
    "run list": "run = [1]\n" + _VIRTUAL,
    "input list": "input = [1]", "input true": "input = true", "JSON": '{"input": 1}',
    "no user": "[input]\npath = '~nouser-at-all/a.tif'",
    "no user of a start": _part("[start]\nname = 'file'\npath = '~nouser-at-all/a'"),
    "rebin 10^18": "[input]\npath = 'a'\nrebin = 1000000000000000000",
    "crop true": "[input]\npath = 'a'\ncrop = true",
    "pixel true": "[input]\npath = 'a'\ndetector_pixel_m = true",
    "pixels true": "[input]\npath = 'a'\ndetector_pixel_m = [true, true]",
    "centre nan": "[input]\npath = 'a'\ncenter = [nan, 1.0]",
    "energy inf": "[input]\npath = 'a'\nenergy_ev = inf",
    "null in a path": "[input]\npath = \"a\\u0000b\"",
}  # fmt: skip
for _name, _content in RECIPES.items():
    _data = _content if isinstance(_content, bytes) else _content.encode()
    CASES[f"recipe: {_name}"] = Case(
        "recipe", lambda path, d=_data: path.write_bytes(d)
    )
CASES["recipe: only a part"] = Case(
    "recipe", lambda path: path.write_text(_VIRTUAL), "opens"
)

EXPERIMENTS = {
    "bars of 10^9": "object = {kind = 'bars', widest_px = 1000000000}",
    "cells without end": "object = {kind = 'cells', coverage = 1e12}",
    "cells of nothing": "object = {kind = 'cells', radius = 1e-300}",
    "rows 10^9": "path.rows = 1000000000",
    "frame 10^5": "detector.frame = 100000",
    "step 10^9": "path.step_px = 1e9",
    "picture not there": "object = {kind = 'pictures', phase = 'no.png'}",
    "result not there": "object = {kind = 'result', path = 'no.h5'}",
    "positions not there": "path = {kind = 'file', path = 'no.txt'}",
}
for _name, _content in EXPERIMENTS.items():
    CASES[f"experiment: {_name}"] = Case(
        "experiment", lambda path, text=_content: path.write_text(_part(text))
    )
