"""Makes the measured sample scan from its stack and positions.

python scripts/make_measured_sample.py FOLDER

FOLDER holds ``stack.tif``, ``positions_m.txt`` and ``LICENSE.txt``: the central part of
the measured test scan of the tike package, 132 patterns of 128 x 128 pixels. All of it
is kept. The licence asks that it stays beside the data, so it is copied, too.
"""

import dataclasses
import shutil
import sys
from pathlib import Path

import napari_scicompty as sc

HERE = Path(__file__).parents[1] / "src" / "napari_scicompty" / "samples_data"


def main(folder: Path) -> None:
    """Write the CXI file and the licence into the package."""
    scan = sc.open_scan(
        folder / "stack.tif",
        folder / "positions_m.txt",
        wavelength_m=1.4089113454545454e-10,
        distance_m=1.92,
        detector_pixel_m=75e-6,
    )
    HERE.mkdir(exist_ok=True)
    path = HERE / "siemens_star.cxi"
    source = dataclasses.replace(scan.source, path="stack.tif")  # nobody's folder
    sc.save_scan(path, scan.replace(source=source), overwrite=True)
    shutil.copyfile(folder / "LICENSE.txt", HERE / "siemens_star_LICENSE.txt")
    print(f"{path.name}: {len(scan)} patterns, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
