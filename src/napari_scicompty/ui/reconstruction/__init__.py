"""The Reconstruction dock, section by section."""
