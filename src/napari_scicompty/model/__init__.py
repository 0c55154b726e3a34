"""What a run improves, and what it is compared with: tensors on a device."""
