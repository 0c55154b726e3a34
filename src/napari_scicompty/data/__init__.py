"""What was measured and what came out: Scan, Canvas, Snapshot, checks of a scan."""
