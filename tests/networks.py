"""ST-ResNets for tests, in one line."""

from dataclasses import dataclass

from repro.models.registry import Inputs
from repro.models.st_resnet import network
from repro.models.st_resnet.settings import STResNetSettings


@dataclass(frozen=True)
class Spec(STResNetSettings):
    """The family's settings with what a system's streams add to them."""

    streams: tuple = ("appearance", "motion")
    flow_length: int = 10
    input_size: int = 224

    def in_channels(self, stream):
        return 3 if stream == "appearance" else 2 * self.flow_length

    def inputs(self, classes):
        channels = {name: self.in_channels(name) for name in self.streams}
        return Inputs(channels, {"toy": classes} if isinstance(classes, int) else classes, self.input_size)


def build_model(spec, classes):
    """The network of a Spec; classes: a count for one dataset called toy, or {dataset: count}."""
    return network.build_model(spec, spec.inputs(classes))


def load_initial(model, state_dict):
    """The family's way to start."""
    return network.FAMILY.start(model, state_dict)
