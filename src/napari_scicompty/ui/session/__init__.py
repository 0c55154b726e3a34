"""What belongs to a viewer: its run, its files, its docks."""
