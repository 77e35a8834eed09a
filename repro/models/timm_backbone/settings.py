"""The switches of timm's networks, checked once. Imports no torch until `check`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TimmSettings:
    """Which network, and what stands in front of its classifier.

    backbone        its name in timm, without a tag of weights: resnet18, resnet50, resnetv2_50, ... It starts at random;
                    released weights come from a file that `repro import-weights timm:NAME` writes, with their input
                    normalisation, and nothing is downloaded otherwise
    dropout         in front of the classifier

    Raises ValueError naming the field and the value received.
    """

    backbone: str = "resnet50"
    dropout: float = 0.0

    def __post_init__(self):
        _require(isinstance(self.backbone, str), "backbone", self.backbone, "a name")
        _require(0 <= self.dropout < 1, "dropout", self.dropout, "a probability in [0, 1)")

    def check(self, inputs):
        """Raise ValueError unless timm has the network, and it takes the channels and pictures of `inputs`. Imports timm."""
        from .backbone import check_backbone

        for channels in sorted(set(inputs.channels.values())):
            check_backbone(self.backbone, channels, inputs.input_size)

    @property
    def weights_layout(self):
        """Which layouts of start weights fit."""
        return ("timm",)


def _require(condition, name, value, expected):
    if not condition:
        raise ValueError(f"{name} must be {expected}, got {value!r}")


SETTINGS = TimmSettings
