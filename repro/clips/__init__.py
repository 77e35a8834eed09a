"""Which frames to take, how to augment them, and the torch data sets that read them. Knows nothing of model internals."""
