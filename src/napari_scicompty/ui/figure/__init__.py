"""The Figure export dock."""
