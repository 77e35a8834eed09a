"""timm's networks without their classifiers: what fits, made with step batch norms, and with which input they were trained.

timm is imported where it is used: it is large, and most profiles do without.
"""

import difflib
import functools

import torch
from torch import nn

from ..batchnorm import StepBatchNorm2d
from ..weights import InputNormalisation, Weights


class StepBatchNormAct2d(StepBatchNorm2d):
    """A step batch norm with what timm's `BatchNormAct2d` does behind it."""

    def __init__(self, channels, eps, drop, act):
        super().__init__(channels, eps)
        self.drop, self.act = drop, act

    def forward(self, x):  # (N, C, H, W)
        return self.act(self.drop(super().forward(x)))  # as x


def make_backbone(name, channels):
    """The network of timm called `name`, on pictures of `channels`, without pool and classifier; from torch's global generator.

    Its `forward_features` maps (N, channels, H, W) to (N, num_features, h, w).
    """
    import timm

    network = timm.create_model(name, pretrained=False, in_chans=channels, num_classes=0, global_pool="")
    for parent in list(network.modules()):
        for place, child in parent.named_children():
            if (norm := _step_norm(child)) is not None:
                setattr(parent, place, norm)
    return network


def _step_norm(norm):
    """The step batch norm that computes what a batch norm does; None for other modules."""
    from timm.layers import BatchNormAct2d

    if type(norm) is nn.BatchNorm2d:
        found = StepBatchNorm2d(norm.num_features, norm.eps)
    elif type(norm) is BatchNormAct2d:
        found = StepBatchNormAct2d(norm.num_features, norm.eps, norm.drop, norm.act)
    else:
        return None
    found.load_state_dict(norm.state_dict(), assign=True)
    return found


@functools.cache
def check_backbone(name, channels, size):
    """Raise ValueError unless timm has a network of this name that fits: its first convolution takes `channels`, so that an RGB
    kernel's mean can start it, pictures of `size` leave maps, and nothing but their mean and a linear layer follows.

    Nothing is computed: the network is built and run on tensors without data.
    """
    import timm

    names = timm.list_models()
    if name not in names:
        close = difflib.get_close_matches(name.partition(".")[0], names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"backbone must be a network of timm, without a tag of weights, got {name!r}{hint}")
    with torch.device("meta"), torch.no_grad():
        try:
            network = make_backbone(name, channels).eval()
        except (TypeError, ValueError, RuntimeError, AssertionError) as error:
            raise ValueError(f"backbone must take {channels} channels and no classifier, got {name!r}: {_line(error)}") from error
        first = network.pretrained_cfg.get("first_conv")
        convolution = dict(network.named_modules()).get(first) if isinstance(first, str) else None
        if not isinstance(convolution, nn.Conv2d) or convolution.in_channels != channels:
            raise ValueError(f"backbone must have one first convolution that takes {channels} channels, got {name!r}")
        try:
            maps = network.forward_features(torch.empty(1, channels, size, size))
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f"input_size must leave {name!r} a map, got {size}: {_line(error)}") from error
        if not isinstance(maps, torch.Tensor) or maps.dim() != 4 or maps.shape[1] != network.num_features:
            raise ValueError(f"backbone must end in maps (channels, height, width), got {name!r}")
        if network.forward_head(maps) is not maps:
            raise ValueError(f"backbone must classify the mean of its last maps, got {name!r}, which has layers in between")


def read_released(name):
    """Weights of timm's network `name` (a tag of weights may follow, as in resnet50.a1_in1k) with the normalisation of their
    input. timm downloads them, or finds them among what it downloaded. Raises ValueError where there are none.
    """
    import timm

    try:
        network = timm.create_model(name, pretrained=True)
    except (RuntimeError, OSError) as error:
        raise ValueError(f"timm has no weights for {name!r} or could not fetch them: {_line(error)}") from error
    told = network.pretrained_cfg
    normalisation = InputNormalisation(*(tuple(255 * value for value in told[field]) for field in ("mean", "std")))
    return Weights(network.state_dict(), "timm", normalisation, source=f"timm {name}")


def classifier_of(network):
    """Where timm keeps the classifier of a backbone: "fc", "head.fc", ..."""
    return network.pretrained_cfg["classifier"]


def _line(error):
    return (str(error).splitlines() or [type(error).__name__])[0]
