"""Spatiotemporal Residual Networks for Video Action Recognition, reproduced.

The rooms, in the order in which they may import each other: ``engine``, ``video``, ``flow``, ``datasets``, ``clips``, ``models``,
``training``, ``evaluation``, ``idt``, ``published``, ``report``, ``stages``, ``cli``.
"""

__version__ = "0.1.0"
