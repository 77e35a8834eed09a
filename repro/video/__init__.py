"""Decoding, and the container of one video's frames and flow. Knows nothing of labels or splits."""
