"""The family: Inceptions over clips, one per stream, from scratch, from 2D weights, or from released ones."""

from ..initial import inflate_input, load_initial
from ..network import ActivationHead, Family
from ..side_by_side import SideBySide
from .names import own_names
from .stream import InceptionStream


class Inception3D(SideBySide):
    """An inflated Inception per stream; build with `build_model`."""

    def __init__(self, settings, inputs, streams):
        super().__init__(settings, inputs, streams)
        self.min_frames = settings.min_frames

    def activation_heads(self, dataset=None):
        """{stream: ActivationHead}; maps enter the spatial pool behind the pooling over time, T' of them."""
        streams = {name: getattr(self, name) for name in self.heads}
        return {name: ActivationHead(s.avgpool, s.fc.of(dataset), s.avgpool.kernel_size) for name, s in streams.items()}


def build_model(settings, inputs):
    """The network of `settings` (Inception3DSettings) for `inputs` (Inputs), initialised from torch's global generator."""
    pool_size = settings.pool_size or max(inputs.input_size // 32, 1)
    make = {name: InceptionStream(count, inputs.classes, settings, pool_size) for name, count in inputs.channels.items()}
    return Inception3D(settings, inputs, make)


def inflate(name, source, target):
    """(how, value) for a kernel to fill `target` (Cout, Cin, k_t, k, k): 2D kernels are repeated over time and divided by k_t, so
    that on a static clip nothing changes; an RGB kernel becomes its mean for other channels."""
    if len(target) != 5 or source.dim() not in (4, 5):
        return inflate_input(name, source, target)
    how, value = "copied", source.unsqueeze(2) if source.dim() == 4 else source
    if value.shape[1] != target[1]:
        how, value = inflate_input(name, value, (target[0], target[1], *value.shape[2:]))
    if value.shape[2] == 1 < target[2]:
        how, value = "temporal", value.expand(-1, -1, target[2], -1, -1) / target[2]
    if tuple(value.shape) != tuple(target):
        raise ValueError(f"state_dict[{name!r}] must fit {tuple(target)}, got {tuple(source.shape)}")
    return how, value


def start(network, state_dict):
    """Initialise from a network of the family (I2D for I3D or S3D, say), from a 2D Inception in the names of torchvision's
    googlenet, or from released I3D or S3D weights (see `own_names`).

    The temporal halves of separable convolutions and the gates that a source lacks stay as built. See `load_initial`.
    """
    return load_initial(network, own_names(state_dict), fit=inflate, optional=(".temporal.", ".gate."))


FAMILY = Family(build_model, start)
