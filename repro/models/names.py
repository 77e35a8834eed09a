"""Other people's names for tensors, turned into a family's own."""


def renamed(state_dict, streams, own_names):
    """The same tensors under other names: `own_names` of the dict, or of each part behind the name of one of `streams`.

    own_names: {key: tensor} -> {key: tensor}.
    """
    parts = {}
    for key, tensor in state_dict.items():
        stream, _, rest = key.partition(".")
        stream, rest = (stream, rest) if stream in streams else ("", key)
        parts.setdefault(stream, {})[rest] = tensor
    return {
        f"{stream}.{key}" if stream else key: tensor for stream, part in parts.items() for key, tensor in own_names(part).items()
    }
