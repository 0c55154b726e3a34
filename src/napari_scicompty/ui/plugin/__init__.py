"""What the manifest names: readers, writers, samples, actions."""
