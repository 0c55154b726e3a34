"""Pure tensor functions: propagators, patches, modes, probes."""
