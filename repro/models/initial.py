"""Starting a network from the weights of other ones."""

from dataclasses import dataclass

import torch

from .heads import Heads

OPTIONAL_ENDINGS = ("num_batches_tracked",)


@dataclass(frozen=True)
class InitialReport:
    """What `load_initial` did, by key of the model's state dict.

    copied      taken unchanged
    inflated    input convolutions spread over other channels
    temporal    2D kernels given a time axis
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


def inflate_input(name, source, target):
    """(how, value) for a tensor `source` to fill shape `target`: a convolution's RGB kernel for any number of channels.

    The mean over RGB, repeated, unscaled (ST-ResNet and TSN alike). Raises ValueError where nothing fits.
    """
    target = tuple(target)
    if source.dim() == len(target) >= 4 and source.shape[1] == 3 and (len(source), *source.shape[2:]) == (target[0], *target[2:]):
        return "inflated", source.mean(1, keepdim=True).expand(target).clone()
    raise ValueError(f"state_dict[{name!r}] must fit {target}, got {tuple(source.shape)}")


@torch.no_grad()
def load_initial(model, state_dict, fit=inflate_input, optional=()):
    """Initialise a network, in place, from weights of its own kind, of single streams, or of a bare ImageNet network.

    state_dict: keys that begin with a stream's name initialise that stream (single-stream or joint checkpoints; merge two
    dicts for two streams); keys without one (an ImageNet network) initialise every stream but for the classifier, which is
    another task's. A classifier of a dataset or class count that the model has not stays new; one behind a stream's name but
    of no dataset (imported weights) is that of a model's only dataset. Where shapes differ, `fit(key, source, shape)` returns
    (how, value): "inflated", "temporal", or "new" with None; it raises ValueError where nothing fits. `optional`: parts of
    keys that a source may lack. Returns an InitialReport. Raises ValueError naming the first key that is missing, does not fit
    or has no place.
    """
    target = model.state_dict()
    streams = tuple(model.inputs.channels)
    classifiers = _classifiers(model, target)
    done = {"copied": [], "inflated": [], "temporal": [], "new": []}
    used = set()
    known = {key.split(".")[0] for key in state_dict}
    prefixed = not known.isdisjoint(streams)
    bare = not prefixed and not any(key in state_dict for key in target)
    if bare and not any(key.partition(".")[2] in state_dict for key in target):
        raise ValueError(f"state_dict must hold one of the streams {streams}, got {sorted(known)[:3]}")
    for key, tensor in target.items():
        stream, _, name = key.partition(".")
        source_key = name if bare else key
        if key in classifiers and source_key not in state_dict and prefixed and len(model.inputs.classes) == 1:
            source_key = classifiers[key]  # imported weights do not say whose classes they are
        if key.endswith(OPTIONAL_ENDINGS) and source_key not in state_dict:
            continue
        absent = prefixed and stream in streams and stream not in known
        lacking = source_key not in state_dict and (key in classifiers or any(part in key for part in optional))
        if absent or lacking or (bare and key in classifiers):
            done["new"].append(key)
            continue
        if source_key not in state_dict:
            raise ValueError(f"state_dict lacks {source_key!r} ({tuple(tensor.shape)} in the model)")
        used.add(source_key)
        how, value = _fitted(fit, key, state_dict[source_key], tensor.shape, key in classifiers)
        done[how].append(key)
        if value is not None:
            tensor.copy_(value)
    unused = tuple(key for key in state_dict if key not in used)
    heads = {place.rpartition(".")[0] for place in classifiers.values()}
    if bare:
        heads = {place.partition(".")[2] for place in heads}
    stray = [
        key
        for key in unused
        if (not prefixed or key.split(".")[0] in streams) and not any(key.startswith(f"{head}.") for head in heads)
    ]
    if stray:
        raise ValueError(f"state_dict holds {stray[0]!r}, which the model has not")
    return InitialReport(**{how: tuple(keys) for how, keys in done.items()}, unused=unused)


def _classifiers(model, target):
    """{key of a classifier's tensor: the same key without the dataset}."""
    places = [name for name, module in model.named_modules() if isinstance(module, Heads)]
    return {key: f"{place}.{key.rpartition('.')[2]}" for key in target for place in places if key.startswith(f"{place}.")}


def _fitted(fit, key, source, shape, classifier):
    """(how, value) for a source tensor to fill `shape`; value None leaves the model's own."""
    if source.shape == shape:
        return "copied", source
    if classifier:
        return "new", None
    return fit(key, source, shape)
