"""Other people's names for tensors, turned into a family's own."""


def renamed(state_dict, streams, rename):
    """The same tensors under other names: `rename(key)` of each, or of what stands behind the name of one of `streams`."""
    found = {}
    for key, tensor in state_dict.items():
        stream, _, rest = key.partition(".")
        found[f"{stream}.{rename(rest)}" if stream in streams else rename(key)] = tensor
    return found
