"""One module per pipeline stage: which params, which files in, which files out. How anything is computed is the rooms' business."""
