"""Judging results: metrics, alignment, phase tools."""
