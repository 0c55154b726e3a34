"""The Virtual experiment dock."""
