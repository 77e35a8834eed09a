"""Optical flow: four methods behind one interface, 8-bit storage, and a picture of it.

Flow is an array (H, W, 2) float32 of (u, v) in pixels: what is at (x, y) in the first frame is at (x + u, y +
v) in the second.
"""

from repro.flow.backends import make_flow, versions
from repro.flow.bytes import dequantise, quantise
from repro.flow.settings import FlowSettings
from repro.flow.wheel import colour_wheel

__all__ = ["FlowSettings", "colour_wheel", "dequantise", "make_flow", "quantise", "versions"]
