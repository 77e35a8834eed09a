"""The family: Inceptions over clips, one per stream, from scratch, from 2D weights, or from released ones."""

from ..initial import inflate_input, load_initial
from ..names import renamed
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
    pool_size = settings.pool_size or settings.map_side(inputs.input_size)
    make = {name: InceptionStream(count, inputs.classes, settings, pool_size) for name, count in inputs.channels.items()}
    return Inception3D(settings, inputs, make)


def inflate(name, source, target):
    """(how, value) for a kernel to fill `target` (Cout, Cin, k_t, k, k).

    2D kernels are repeated over time and divided by k_t, so that on a static clip nothing changes; an RGB kernel becomes its
    mean for other channels.
    """
    value = source.unsqueeze(2) if source.dim() == 4 else source  # (Cout, Cin, k_t or 1, k, k)
    shape, allowed = tuple(value.shape), [{n} for n in target]
    if len(target) == 5:
        allowed[1], allowed[2] = {target[1], 3}, {target[2], 1}
    if len(shape) != len(target) or not all(n in those for n, those in zip(shape, allowed)):
        raise ValueError(f"state_dict[{name!r}] must fit {tuple(target)}, got {tuple(source.shape)}")
    how = "copied"
    if value.shape[1] != target[1]:
        how, value = inflate_input(name, value, (*target[:2], *value.shape[2:]))
    if value.shape[2] != target[2]:
        how, value = "temporal", value.expand(target) / target[2]
    return how, value


def start(network, state_dict):
    """Initialise from a network of the family (I2D for I3D or S3D, say), from a 2D Inception in the names of torchvision's
    googlenet, or from released I3D or S3D weights (see `own_names`).

    The temporal halves of separable convolutions and the gates that a source lacks stay as built. See `load_initial`.
    """
    state_dict = renamed(state_dict, network.inputs.channels, own_names)
    return load_initial(network, state_dict, fit=inflate, optional=(".temporal.", ".gate."))


FAMILY = Family(build_model, start)
