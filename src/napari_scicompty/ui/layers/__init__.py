"""Snapshots as napari layers."""
