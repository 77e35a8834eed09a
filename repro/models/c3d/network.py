"""The family: C3D over windows of a clip.

sizes for 16 x 112 x 112            convolutions 3x3x3, padded by 1, ReLU
    conv1               16 x 56 x 56    64, max 1x2x2
    conv2               8 x 28 x 28     128, max 2x2x2
    conv3a, conv3b      4 x 14 x 14     256, max 2x2x2
    conv4a, conv4b      2 x 7 x 7       512, max 2x2x2
    conv5a, conv5b      1 x 4 x 4       512, max 2x2x2, padded by 1 in space
    fc6, fc7            4096, ReLU, dropout
"""

import torch.nn.functional as F
from torch import nn

from ..batchnorm import StepBatchNorm3d
from ..heads import Heads
from ..network import Family
from ..side_by_side import SideBySide

CHANNELS = {"1": 64, "2": 128, "3a": 256, "3b": 256, "4a": 512, "4b": 512, "5a": 512, "5b": 512}
POOLS = {"1": ((1, 2, 2), 0), "2": ((2, 2, 2), 0), "3b": ((2, 2, 2), 0), "4b": ((2, 2, 2), 0), "5b": ((2, 2, 2), (0, 1, 1))}
"""Behind a convolution: kernel, which is the stride too, and padding."""


class C3DStream(nn.Module):
    """(B, T, C, S, S) -> (B, T', classes of a dataset), T' = (T - window) // window_stride + 1; freshly initialised."""

    def __init__(self, channels, classes, settings, size):
        super().__init__()
        self.settings, self.size = settings, size
        cin = channels
        for name, count in CHANNELS.items():
            cout = settings.channels(count)
            self.add_module(f"conv{name}", nn.Conv3d(cin, cout, 3, padding=1, bias=not settings.batch_norm))
            if settings.batch_norm:
                self.add_module(f"bn{name}", StepBatchNorm3d(cout))
            cin = cout
        hidden = settings.channels(4096)
        self.fc6 = nn.Linear(cin * (settings.window // 16) * (size // 32 + 1) ** 2, hidden)
        self.fc7 = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(settings.dropout)
        self.fc8 = Heads(hidden, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        self.fc8.initialise(0.01)

    def forward(self, x, dataset=None):  # (B, T, C, S, S)
        if x.shape[3:] != (self.size, self.size):
            raise ValueError(f"clip must be {self.size}x{self.size}, fc6 takes no other size, got {x.shape[3]}x{x.shape[4]}")
        x = x.unfold(1, self.settings.window, self.settings.window_stride)  # (B, T', C, S, S, 16)
        clips = len(x)
        x = x.flatten(0, 1).permute(0, 1, 4, 2, 3)  # (B*T', C, 16, S, S)
        for name in CHANNELS:
            x = getattr(self, f"conv{name}")(x)
            x = F.relu_(getattr(self, f"bn{name}")(x) if self.settings.batch_norm else x)
            if name in POOLS:
                kernel, padding = POOLS[name]
                x = F.max_pool3d(x, kernel, padding=padding)
        x = x.flatten(1)  # (B*T', 512 * 1 * 4 * 4)
        x = self.dropout(F.relu_(self.fc6(x)))  # (B*T', 4096)
        x = self.dropout(F.relu_(self.fc7(x)))
        return self.fc8(x, dataset).unflatten(0, (clips, -1))  # (B, T', classes)


class C3D(SideBySide):
    """A C3D per stream; build with `build_model`."""

    def __init__(self, settings, inputs, streams):
        super().__init__(settings, inputs, streams)
        self.min_frames = settings.min_frames


def build_model(settings, inputs):
    """The network of `settings` (C3DSettings) for `inputs` (Inputs), initialised from torch's global generator."""
    streams = {name: C3DStream(n, inputs.classes, settings, inputs.input_size) for name, n in inputs.channels.items()}
    return C3D(settings, inputs, streams)


FAMILY = Family(build_model)
