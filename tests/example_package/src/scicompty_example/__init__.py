"""An algorithm, a refiner and a file format of another package."""
