"""One tower: a VGG over folded frames.

sizes for 224 x 224      VGG-16                     VGG-M
    stage 1              2 x 64, 224, max           96, 109, max
    stage 2              2 x 128, 112, max          256, 26, max
    stage 3              3 x 256, 56, max           512, 13
    stage 4              3 x 512, 28, max           512, 13
    stage 5              3 x 512, 14, max to 7      512, 13, max to 6
    fc6, fc7             4096, 4096                 4096, 2048
    fc8                  a classifier per dataset

fc6 and fc7 are convolutions, so that they slide over the larger maps of whole frames.
"""

import torch.nn.functional as F
from torch import nn

from ..batchnorm import StepBatchNorm2d
from ..heads import Heads


class Tower(nn.Module):
    """(B*T, C, H, W) -> (B*T', classes of a dataset), T' = T // temporal_pool; freshly initialised.

    channels: C; classes: {dataset: count}; table: a Backbone; size: side of the input that fc6 covers.
    doubled: layers behind which features have twice the channels (concatenation).
    bilinear: channels of the features that behind relu5 replace all, straight into the classifiers; 0: none.
    end: the layer that the tower ends with; forward then returns None.
    """

    def __init__(self, channels, classes, settings, table, size, doubled=(), bilinear=0, end="fc8"):
        super().__init__()
        self.settings, self.table, self.end, self.bilinear = settings, table, end, bool(bilinear)
        for row in table.convolutions:
            count = settings.channels(row.channels)
            bias = not settings.batch_norm
            self.add_module(row.name, nn.Conv2d(channels, count, row.side, row.stride, row.padding, bias=bias))
            if settings.batch_norm:
                self.add_module(row.name.replace("conv", "bn"), StepBatchNorm2d(count))
            channels = count * (2 if row.end in doubled else 1)
            if row.end == end:
                break
        side, last = table.sides(size)["fc6"], bilinear
        for name, layer, full, window in (("fc6", "relu6", table.full[0], side), ("fc7", "relu7", table.full[1], 1)):
            if bilinear or not self._reaches(layer):
                break
            self.add_module(name, nn.Conv2d(channels, settings.channels(full), window))
            channels = last = settings.channels(full) * (2 if layer in doubled else 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if end == "fc8":
            self.fc8 = Heads(last, classes)
            self.fc8.initialise(0.01)

    def _reaches(self, layer):
        """Whether the tower has `layer`, one behind the convolutions."""
        return self.end == "fc8" or (self.end in ("relu6", "relu7") and layer <= self.end)

    def forward(self, x, frames, dataset=None, visit=None):
        """visit(layer, features) -> features is called at each of `settings.LAYERS` on the way."""
        visit = visit or (lambda layer, features: features)
        for row in self.table.convolutions:
            x = getattr(self, row.name)(x)  # (B*T, C', h, w)
            x = F.relu_(getattr(self, row.name.replace("conv", "bn"))(x) if self.settings.batch_norm else x)
            x = visit(row.end, x) if row.end else x
            if row.end == self.end:
                return None
            if row.pooled and not (self.bilinear and row.end == "relu5"):
                x = self.pool(x, frames if row.end == "relu5" else None)
        if self.bilinear:
            return visit("fc8", self.fc8(x, dataset))  # (B*T, classes)
        if min(x.shape[2:]) < min(self.fc6.kernel_size):
            raise ValueError(
                f"frames must leave maps of {self.fc6.kernel_size} or more in front of fc6, got {tuple(x.shape[2:])}"
            )
        for name, layer in (("fc6", "relu6"), ("fc7", "relu7")):
            x = visit(layer, F.relu_(getattr(self, name)(x)))  # (B*T', 4096, h, w)
            if layer == self.end:
                return None
            x = F.dropout(x, self.settings.dropout, self.training)
        return visit("fc8", self.fc8(x.mean((2, 3)), dataset))  # (B*T', classes)

    def pool(self, x, frames=None):  # (B*T, C, h, w)
        """The max pool over space; with `frames`, a clip's, the one of stage 5, over time as well."""
        window = self.settings.temporal_pool
        if frames and window > 1:
            x = x.unflatten(0, (-1, frames)).transpose(1, 2)  # (B, C, T, h, w)
            x = F.max_pool3d(x, (window, 1, 1)).transpose(1, 2).flatten(0, 1)  # (B*T', C, h, w)
        side, stride = self.table.pool
        return F.max_pool2d(x, side, stride, ceil_mode=self.table.round_up)  # (B*T', C, h', w')
