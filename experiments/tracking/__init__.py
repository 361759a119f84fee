"""Where the figures of a run go beside its record: JSON lines, W&B, TensorBoard, or nowhere."""
