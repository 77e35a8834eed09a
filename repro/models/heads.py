"""Classifiers: a head belongs to a dataset."""

from torch import nn


class Heads(nn.ModuleDict):
    """One linear classifier per dataset on shared features.

    features: channels; classes: {dataset: count}. Raises ValueError for a dataset without a head.
    """

    def __init__(self, features, classes):
        super().__init__({dataset: nn.Linear(features, count) for dataset, count in classes.items()})

    def forward(self, x, dataset=None):  # (..., features)
        return self.of(dataset)(x)  # (..., classes)

    def of(self, dataset=None):
        """The linear layer of a dataset; None: the only one."""
        if dataset is None and len(self) == 1:
            return next(iter(self.values()))
        if dataset not in self:
            raise ValueError(f"dataset must be one of {', '.join(self)}, got {dataset!r}")
        return self[dataset]

    def initialise(self, std):
        """Weights N(0, std^2), biases zero, in place."""
        for linear in self.values():
            nn.init.normal_(linear.weight, std=std)
            nn.init.zeros_(linear.bias)
