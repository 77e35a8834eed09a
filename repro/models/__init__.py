"""Tensors in, logits out: two ResNets and the surgery of Feichtenhofer et al. (NIPS 2016) on them."""

from .batchnorm import StepBatchNorm2d, commit_statistics, pending_statistics
from .initial import InitialReport, load_initial
from .spec import ModelSpec
from .st_resnet import STResNet, build_model

__all__ = [
    "InitialReport",
    "ModelSpec",
    "STResNet",
    "StepBatchNorm2d",
    "build_model",
    "commit_statistics",
    "load_initial",
    "pending_statistics",
]
