"""The run: batches, changes under way, memory, guard; it knows no algorithm."""
