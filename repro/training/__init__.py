"""One loop, recipes as frozen dataclasses, checkpoints. Knows nothing of the tables it feeds."""
