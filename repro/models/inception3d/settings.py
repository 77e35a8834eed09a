"""The switches of the inflated Inceptions, checked once, and the published networks by name. Imports no torch."""

from dataclasses import dataclass, replace

CONVOLUTIONS = ("full", "separable")
PADDINGS = ("tf", "symmetric", "googlenet")
INITIALISATIONS = ("he", "truncated_normal")
TEMPORAL_STARTS = ("centre", "random")
LAYERS = ("1a", "2c", "3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")
"""Layers that may look over time; their position is the K of Xie et al., Sec. 4. 2b and the reductions are 1x1x1."""
ALL = tuple(range(len(LAYERS)))


@dataclass(frozen=True)
class Inception3DSettings:
    """Which kernels reach over time, and how; the defaults are I3D as DeepMind released it.

    temporal_layers     the K (see LAYERS) whose kernels reach over time: all (I3D, S3D), none (I2D), the last n (top-heavy), the
                        first n (bottom-heavy). Other layers have 1 x k x k kernels; strides are the same in all (Xie, Sec. 4)
    convolution         "full": k_t x k x k (I3D); "separable": 1 x k x k, then k_t x 1 x 1 (S3D)
    separable_stem      whether a separable network's 1a is separable too (torchvision, the sweep); False: released S3D
    stem_frames         k_t of 1a: 7 (I3D, torchvision), 3 (released S3D)
    temporal_norm       behind the k_t x 1 x 1: batch norm and ReLU, no bias (Xie's figure, torchvision); False: bias and ReLU,
                        no norm (released S3D)
    temporal_branches   2: the 3x3 branches b1, b2; 4: a 3x1x1 in b0 and b3 too (footnote of Xie et al.; separable only)
    temporal_start      how the k_t x 1 x 1 start: "centre" (identity on the middle tap, released S3D) or "random"
    gated_layers        K >= 1 with feature gating, y = x * sigmoid(W mean_{T,H,W}(x) + b), at the end of 2c or of all four
                        branches of a block (S3D-G: all)
    gate_bias           the b of the paper's formula; False: none (released S3D-G)
    norm_scale          learned gamma of the batch norms (torchvision); False: fixed at one (I3D, released S3D). eps is 1e-3
    padding             "tf": SAME, lopsided for even sizes (I3D, released S3D); "symmetric": as torchvision's S3D; "googlenet":
                        tf, but 3 pixels on each side of 1a, as torchvision's googlenet, whose weights then mean the same
    pools_follow        2D blocks pool 1x3x3, and behind a 2D 5c the average pool is 1 frame long (Xie's text); False: 3x3x3 and
                        `average_frames` everywhere (released code)
    average_frames      frames of the last average pool, stride 1 (2)
    pool_size           its side, in positions of 5c; None: that of the map for the input size (7 at 224)
    average_logits      mean of the logits over time inside the network, T' = 1 (both papers); False: one row of logits per
                        window of `average_frames`, for the recipe's consensus and the protocol's merge
    width               factor on every channel count ("depth_multiplier" of TF-slim)
    min_width           fewest channels of a layer (16, TF-slim)
    dropout             in front of the classifier: 0.5 (I3D), 0.2 (S3D)
    initialisation      "he" (ours: narrow networks start well), or "truncated_normal", sigma 0.01 (released S3D)

    Raises ValueError naming the field and the value received.
    """

    temporal_layers: tuple = ALL
    convolution: str = "full"
    separable_stem: bool = True
    stem_frames: int = 7
    temporal_norm: bool = True
    temporal_branches: int = 2
    temporal_start: str = "centre"
    gated_layers: tuple = ()
    gate_bias: bool = False
    norm_scale: bool = False
    padding: str = "tf"
    pools_follow: bool = False
    average_frames: int = 2
    pool_size: int | None = None
    average_logits: bool = True
    width: float = 1.0
    min_width: int = 16
    dropout: float = 0.5
    initialisation: str = "he"

    def __post_init__(self):
        for name, first in (("temporal_layers", 0), ("gated_layers", 1)):
            value = tuple(sorted(getattr(self, name)))
            object.__setattr__(self, name, value)
            _require(len(set(value)) == len(value), name, value, "without repeats")
            _require(set(value) <= set(ALL[first:]), name, value, f"among {first}..{ALL[-1]}")
        for name, allowed in (
            ("convolution", CONVOLUTIONS),
            ("padding", PADDINGS),
            ("initialisation", INITIALISATIONS),
            ("temporal_start", TEMPORAL_STARTS),
            ("temporal_branches", (2, 4)),
        ):
            _require(getattr(self, name) in allowed, name, getattr(self, name), f"one of {allowed}")
        for name in ("stem_frames", "average_frames", "min_width", "pool_size"):
            value = getattr(self, name)
            _require(value is None or value >= 1, name, value, "at least 1")
        _require(self.stem_frames % 2 == 1, "stem_frames", self.stem_frames, "odd")
        _require(self.width > 0, "width", self.width, "positive")
        _require(0 <= self.dropout < 1, "dropout", self.dropout, "a probability in [0, 1)")
        if self.temporal_branches == 4:
            _require(self.convolution == "separable", "temporal_branches", 4, "2 unless convolution is separable")

    @property
    def weights_layout(self):
        """Which layouts of start weights fit: 2D Inceptions to inflate, released I3D and S3D."""
        return ("googlenet", "i3d", "s3d")

    def channels(self, count):
        """A layer's channels, from those of the full network."""
        return max(int(count * self.width), self.min_width)

    def frames(self, layer):
        """Temporal extent of the kernels of layer K."""
        if layer not in self.temporal_layers:
            return 1
        return self.stem_frames if layer == 0 else 3

    def separable(self, layer):
        """Whether layer K is a spatial and a temporal convolution in a row."""
        split = self.convolution == "separable" and layer in self.temporal_layers
        return split and (layer > 0 or self.separable_stem)

    @property
    def window(self):
        """Frames of the last average pool."""
        return 1 if self.pools_follow and ALL[-1] not in self.temporal_layers else self.average_frames

    def windows(self, frames):
        """Windows of the last average pool in a clip of `frames`; below 1 the clip is too short."""
        return self._strided(frames, (self.frames(0), 3, 2)) - self.window + 1

    def map_side(self, size):
        """Side of 5c's maps for frames of side `size`: 7 for 224."""
        return self._strided(size, (7, 3, 3, 3, 2))

    def _strided(self, size, kernels):
        """What layers of stride 2 (1a, max pools) leave of a length."""
        for kernel in kernels:
            if self.padding == "symmetric":
                size = (size + 2 * ((kernel - 1) // 2) - kernel) // 2 + 1
            else:
                size = -(-size // 2)
        return size

    @property
    def min_frames(self):
        """Fewest frames of a clip: 9 for I3D."""
        return next(frames for frames in range(1, 8 * self.window + 9) if self.windows(frames) >= 1)


def _require(condition, name, value, expected):
    if not condition:
        raise ValueError(f"{name} must be {expected}, got {value!r}")


def top_heavy(count, base):
    """`base` with its last `count` layers over time, the others 2D: top-heavy(K = 10 - count) of Xie et al."""
    return replace(base, temporal_layers=ALL[len(ALL) - count :])


def bottom_heavy(count, base):
    """`base` with its first `count` layers over time, the others 2D: bottom-heavy(K = count - 1) of Xie et al."""
    return replace(base, temporal_layers=ALL[:count])


_I3D = Inception3DSettings()
_S3D = Inception3DSettings(convolution="separable", dropout=0.2)
_RELEASED = replace(_S3D, separable_stem=False, stem_frames=3, temporal_norm=False, initialisation="truncated_normal")
_FOUR = replace(_S3D, temporal_branches=4)

VARIANTS = {
    "i2d": replace(_I3D, temporal_layers=()),
    "i3d": _I3D,
    "s3d": _RELEASED,
    "s3d_g": replace(_RELEASED, gated_layers=ALL[1:]),
    "s3d_torchvision": replace(_S3D, norm_scale=True, padding="symmetric", temporal_start="random"),
    "s3d_separable_stem": _S3D,
    "s3d_four_branches": _FOUR,
    "s3d_g_four_branches": replace(_FOUR, gated_layers=ALL[1:], gate_bias=True),
    **{f"i3d_top_heavy_{n}": top_heavy(n, _I3D) for n in ALL[1:]},
    **{f"i3d_bottom_heavy_{n}": bottom_heavy(n, _I3D) for n in ALL[1:]},
    **{f"s3d_top_heavy_{n}": top_heavy(n, _S3D) for n in ALL[1:]},
    **{f"s3d_bottom_heavy_{n}": bottom_heavy(n, _S3D) for n in ALL[1:]},
}
"""Published networks. s3d and s3d_g are TF-slim's; *_four_branches the paper's description; in the sweep, _n counts the layers
over time."""


SETTINGS = Inception3DSettings
