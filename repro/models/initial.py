"""Starting a network from the weights of smaller ones."""

from dataclasses import dataclass

import torch

from .spec import STREAMS
from .surgery import inflate_conv1, temporal_kernel

OPTIONAL_ENDINGS = ("num_batches_tracked",)


@dataclass(frozen=True)
class InitialReport:
    """What `load_initial` did, by key of the model's state dict.

    copied      taken unchanged
    inflated    conv1 spread over the motion channels
    temporal    2D kernels made 1x1x3
    new         left as built: classifiers of another task or size, random temporal kernels, streams the source lacks
    unused      source keys of other streams and tasks
    """

    copied: tuple
    inflated: tuple
    temporal: tuple
    new: tuple
    unused: tuple

    def __str__(self):
        return (
            f"{len(self.copied)} tensors copied, {len(self.inflated)} conv1 inflated, {len(self.temporal)} kernels made "
            f"temporal, {len(self.new)} new ({', '.join(self.new[:4])}{', ...' if len(self.new) > 4 else ''}), "
            f"{len(self.unused)} unused"
        )


@torch.no_grad()
def load_initial(model, state_dict):
    """Initialise an STResNet, in place, from the weights of 2D, single-stream or joint networks.

    state_dict: keys that begin with a stream's name initialise that stream (single-stream or joint checkpoints; merge two
    dicts for two streams); keys without one (an ImageNet network in torchvision's names) initialise every stream but for the
    classifier, which is another task's. conv1 of RGB is inflated to the motion stream's channels, 2D kernels become temporal
    as spec.temporal says, a classifier of another class count stays new. Returns an InitialReport. Raises ValueError naming
    the first key that is missing, does not fit or has no place.
    """
    target = model.state_dict()
    done = {"copied": [], "inflated": [], "temporal": [], "new": []}
    used = set()
    prefixed = any(key.split(".")[0] in STREAMS for key in state_dict)
    known = {key.split(".")[0] for key in state_dict} if prefixed else set(model.spec.streams)
    if not known & set(model.spec.streams):
        raise ValueError(f"state_dict must hold one of the streams {model.spec.streams}, got {sorted(known)}")
    for key, tensor in target.items():
        stream, name = key.split(".", 1)
        source_key = key if prefixed else name
        if key.endswith(OPTIONAL_ENDINGS) and source_key not in state_dict:
            continue
        if stream not in known or (name.startswith("fc.") and not (prefixed and source_key in state_dict)):
            done["new"].append(key)
            continue
        if source_key not in state_dict:
            raise ValueError(f"state_dict lacks {source_key!r} ({tuple(tensor.shape)} in the model)")
        used.add(source_key)
        how, value = _fit(model.spec, key, name, state_dict[source_key], tensor.shape)
        done[how].append(key)
        if value is not None:
            tensor.copy_(value)
    unused = tuple(key for key in state_dict if key not in used)
    stray = [key for key in unused if (key.split(".")[0] in model.spec.streams if prefixed else not key.startswith("fc."))]
    if stray:
        raise ValueError(f"state_dict holds {stray[0]!r}, which the model has not")
    return InitialReport(**{how: tuple(keys) for how, keys in done.items()}, unused=unused)


def _fit(spec, key, name, source, shape):
    """(how, value) for a source tensor to fill `shape`; value None leaves the model's own."""
    if source.shape == shape:
        return "copied", source
    if name.startswith("fc."):
        return "new", None
    if name == "conv1.weight" and source.shape[1] == 3 and source.shape[2:] == shape[2:] and len(source) == shape[0]:
        return "inflated", inflate_conv1(source, shape[1])
    if len(shape) == 5 and source.shape == (shape[0], shape[1], 1, 1):
        if spec.temporal == "random":
            return "new", None
        return "temporal", temporal_kernel(source, spec.temporal)
    raise ValueError(f"state_dict[{key!r}] must fit {tuple(shape)}, got {tuple(source.shape)}")
