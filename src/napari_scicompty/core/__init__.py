"""What everything rests on: errors, settings, geometry, devices."""
