"""The family: streams side by side, each a tower on single frames and an LSTM over time."""

import functools

from torch import nn

from ..batchnorm import StepBatchNorm2d
from ..heads import Heads
from ..network import Family, fold
from ..side_by_side import SideBySide
from ..two_stream_fusion.network import start
from ..two_stream_fusion.settings import BACKBONES
from ..two_stream_fusion.tower import Tower


class LSTMStream(Tower):
    """(B, T, C, H, W) -> (B, T', classes of a dataset), T' = T in training; freshly initialised, the LSTM as torch does.

    A recipe takes the LSTM's biases for weights: they decay and learn at the plain rate.
    """

    def __init__(self, channels, classes, settings, size):
        table = BACKBONES[settings.backbone]
        super().__init__(channels, classes, settings.tower, table, size, end="relu7")
        self.last_output = settings.last_output
        features = settings.tower.counts(table)["relu7"]
        self.norm = StepBatchNorm2d(features) if settings.norm else nn.Identity()
        self.lstm = nn.LSTM(features, settings.units, batch_first=True)
        self.fc = Heads(settings.units, classes)
        self.fc.initialise(0.01)

    def forward(self, x, dataset=None):  # (B, T, C, H, W)
        clips, seen = len(x), {}
        super().forward(fold(x), x.shape[1], dataset, lambda layer, y: seen.update({layer: y}) or y)
        y = self.norm(seen["relu7"].mean((2, 3), keepdim=True))  # (B*T, 4096, 1, 1)
        y, _ = self.lstm(y.flatten(1).unflatten(0, (clips, -1)))  # (B, T, units)
        if self.last_output and not self.training:
            y = y[:, -1:]
        return self.fc(y, dataset)  # (B, T', classes)


def build_model(settings, inputs):
    """The network of `settings` (ConvLSTMSettings) for `inputs` (Inputs), initialised from torch's global generator."""
    settings.check(inputs)
    streams = {name: LSTMStream(n, inputs.classes, settings, inputs.input_size) for name, n in inputs.channels.items()}
    return SideBySide(settings, inputs, streams)


FAMILY = Family(build_model, functools.partial(start, optional=(".norm.", ".lstm.")))
