"""Which parameters learn at which rate, and which decay."""

from fnmatch import fnmatchcase

from torch import nn


def parameter_groups(model, recipe):
    """SGD groups with the authors' multipliers: weights decay; biases, gamma and beta don't and learn at their own rate.

    Each group carries ``rate``, the factor on the step's learning rate: the kind's, times the model's own and the recipe's
    ``rates`` for the parameter's name. Parameters that take no gradient belong to no group. Raises ValueError for a pattern of
    the recipe that fits no parameter.
    """
    kinds = {
        "weight": (1.0, recipe.weight_decay),
        "bias": (recipe.bias_lr, 0.0),
        "gamma": (recipe.gamma_lr, 0.0),
        "beta": (recipe.beta_lr, 0.0),
    }
    own, groups, used = model.parameter_rates(), {}, set()
    for kind in kinds:  # in this order, whatever comes first in the model
        for name, parameter in _of_kind(model, kind):
            fitting = [pattern for pattern in recipe.rates if fnmatchcase(name, pattern)]
            used.update(fitting)
            if not parameter.requires_grad:
                continue
            factor = own.get(name, 1.0)
            for pattern in fitting:
                factor *= recipe.rates[pattern]
            rate, decay = kinds[kind]
            group = groups.setdefault((kind, factor), {"params": [], "rate": rate * factor, "weight_decay": decay})
            group["params"].append(parameter)
    if idle := set(recipe.rates) - used:
        raise ValueError(f"rates must be patterns of parameters' names, got {sorted(idle)[0]!r}, which fits none")
    return list(groups.values())


def _of_kind(model, wanted):
    """(name, parameter) of every parameter of a kind: weight, bias, gamma or beta."""
    for place, module in model.named_modules():
        norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
        for name, parameter in module.named_parameters(recurse=False):
            kind = {True: {"weight": "gamma", "bias": "beta"}, False: {"bias": "bias"}}[norm].get(name, "weight")
            if kind == wanted:
                yield f"{place}.{name}" if place else name, parameter
