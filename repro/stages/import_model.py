"""``repro import-model``: a released network, classifier included, as the checkpoint of a system, ready for `repro evaluate`."""

import dataclasses

import torch

from repro.datasets.index import DatasetIndex
from repro.errors import ReproError
from repro.files import atomic_path, fingerprint
from repro.models.matconvnet import authors_hmdb51_order, read_matconvnet
from repro.models.registry import Inputs, family
from repro.models.weights import FROM_SCRATCH
from repro.training.checkpoint import save_checkpoint


def run(run, source, order="file"):
    """Write the checkpoint of a Run from the authors' ``.mat`` at ``source``.

    ``order``: whose order the classifier's outputs are in: ``file``, the list in the file; ``index``, the dataset's own; or
    ``authors-hmdb51``, the authors' order of HMDB51's classes, which puts kick_ball before kick. The checkpoint's classes are
    the dataset's: rows of the classifier are put in their order by name. Errors: names that are not the dataset's, a network
    that does not fit the system's.
    """
    index = DatasetIndex.load(run.index)
    try:
        stream = None if len(run.streams) > 1 else next(iter(run.streams))
        weights = read_matconvnet(source, stream, _listed(order, index.classes))
        state = _in_order(weights, index.classes, source)
        channels = {name: modality.channels for name, modality in run.streams.items()}
        inputs = Inputs(channels, {run.dataset: len(index.classes)}, run.input_size)
        model = family(run.settings.family).build(run.model, inputs)
        report = family(run.settings.family).start(model, state)
    except ValueError as error:
        raise ReproError("cannot import this model", path=source, why=str(error)) from error
    if report.new:
        raise ReproError("the file does not hold the whole network", path=source, why=f"no {report.new[0]}")
    values = run.training_values()
    meta = {
        "dataset": run.dataset,
        "split": run.split,
        "seed": run.seed,
        "system": run.system,
        "profile": run.profile,
        "classes": {run.dataset: list(index.classes)},
        "family": run.settings.family,
        "model": dataclasses.asdict(run.model),
        "streams": {name: dataclasses.asdict(modality) for name, modality in run.streams.items()},
        "normalisation": {
            name: dataclasses.asdict(weights.normalisation if modality.colours else FROM_SCRATCH)
            for name, modality in run.streams.items()
        },
        "input_size": run.input_size,
        "started": f"imported from {weights.source}: {report}",
        "steps": 0,
        "code_version": "",
        "params_hash": fingerprint(values),
        "device": "imported, not trained here",
        "torch": str(torch.__version__),
        "store": dataclasses.asdict(run.store_settings),
        "flow": dataclasses.asdict(run.flow_settings),
    }
    with atomic_path(run.checkpoint) as temporary:
        save_checkpoint(temporary, {"model": model.state_dict(), "meta": meta})
    print(f"{run}: {report}; checkpoint in {run.checkpoint}")


def _listed(order, classes):
    """The class names in the order of the classifier's outputs; empty where the file says."""
    if order == "file":
        return ()
    return tuple(classes if order == "index" else authors_hmdb51_order(classes))


def _in_order(weights, classes, source):
    """The state dict with the classifier's rows in the order of ``classes``."""
    if set(weights.classes) != set(classes):
        missing = sorted(set(classes) - set(weights.classes))[:3]
        raise ReproError(
            "the model's classes are not the dataset's",
            path=source,
            why=f"it lacks {', '.join(missing)}" if weights.classes else "the file names none",
            fix="give --order index or authors-hmdb51, or use the model of this dataset",
        )
    rows = torch.tensor([weights.classes.index(name) for name in classes])
    return {
        key: tensor[rows] if "fc." in key and len(tensor) == len(classes) else tensor
        for key, tensor in weights.state_dict.items()
    }
