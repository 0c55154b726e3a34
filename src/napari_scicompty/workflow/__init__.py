"""From a scan to a result: starts, the loop, continuing, repeating, half sets."""
