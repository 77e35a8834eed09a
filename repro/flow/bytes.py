"""Flow in 8 bits, as the paper stores it."""

import numpy as np


def quantise(flow: np.ndarray, bound: float = 20.0) -> np.ndarray:
    """Flow in px to uint8 of the same shape: byte = round(255 (v + bound) / (2 bound)), clipped.

    0 px gives 128. Source: the authors' preprocessing (+-20 px). Raises ValueError for values that are not finite.
    """
    if not np.isfinite(flow).all():
        raise ValueError("flow holds values that are not finite")
    scaled = (np.asarray(flow, np.float32) + np.float32(bound)) * np.float32(255 / (2 * bound))
    return np.clip(np.floor(scaled + np.float32(0.5)), 0, 255).astype(np.uint8)  # halves round up: 127.5 to 128


def dequantise(stored: np.ndarray, bound: float = 20.0) -> np.ndarray:
    """Bytes of ``quantise`` back to px, float32: the inverse of its formula, at most bound / 255 off inside
    the bound.

    No byte stands for exactly 0 px: 127 and 128 give -+ bound / 255.
    """
    return stored.astype(np.float32) * np.float32(2 * bound / 255) - np.float32(bound)
