"""What a container holds and how."""

from dataclasses import asdict, dataclass

from repro.errors import ReproError

FIELDS = ("flow", "warped_flow", "backward_flow")
"""Planes of flow fields, in the order in which a container holds them after its frames. Field t of ``flow`` goes from frame t
to frame t + 1; that of ``warped_flow`` too, as if the camera stood still; that of ``backward_flow`` from frame t + 1 to t."""

DEFAULT_PLANES = ("rgb", "flow")


@dataclass(frozen=True)
class StoreSettings:
    """How frames and flow are stored.

    short_side: pixels, even. Qualities: JPEG's 1..100. flow_bound: px; flow is clipped to +-bound and stored
    in 8 bits.
    flow_range: also record min and max of the unquantised u and v of every field.
    planes: what a container holds: ``rgb``, always, and any of ``FIELDS``.
    """

    short_side: int = 256
    rgb_quality: int = 90
    flow_quality: int = 90
    flow_bound: float = 20.0
    flow_range: bool = False
    planes: tuple[str, ...] = DEFAULT_PLANES

    def __post_init__(self):
        if self.short_side < 2 or self.short_side % 2:
            raise ReproError(f"short_side must be a positive even number, got {self.short_side}")
        for name in ("rgb_quality", "flow_quality"):
            if not 1 <= getattr(self, name) <= 100:
                raise ReproError(f"{name} must lie in 1..100, got {getattr(self, name)}")
        if not self.flow_bound > 0:
            raise ReproError(f"flow_bound must be positive, got {self.flow_bound}")
        known = ("rgb", *FIELDS)
        if "rgb" not in self.planes or not set(self.planes) <= set(known) or len(set(self.planes)) < len(self.planes):
            raise ReproError(f"planes must be rgb and any of {', '.join(FIELDS)}, got {', '.join(map(str, self.planes))}")
        object.__setattr__(self, "planes", tuple(plane for plane in known if plane in self.planes))  # one order, equal bytes

    @property
    def fields(self) -> tuple[str, ...]:
        """The planes of flow fields."""
        return self.planes[1:]

    def saved(self) -> dict:
        """The settings in JSON's types; planes only where they are not the default: older containers do not name them."""
        mapping = asdict(self)
        planes = list(mapping.pop("planes"))
        return mapping if self.planes == DEFAULT_PLANES else {**mapping, "planes": planes}
