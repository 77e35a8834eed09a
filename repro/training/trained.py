"""A trained network as its checkpoint tells it: everything that scoring needs, whatever the params say by now."""

import dataclasses
from pathlib import Path

from repro.clips.modality import modality_of
from repro.errors import ReproError
from repro.models.registry import Inputs, family, settings_of
from repro.models.weights import InputNormalisation
from repro.params import from_mapping
from repro.training.checkpoint import content_hash, load_trained
from repro.training.exported import ENDING, load_exported


@dataclasses.dataclass(frozen=True)
class Trained:
    """``model`` in eval mode, its ``streams`` ({stream: Modality}) and their ``normalisation`` ({stream: InputNormalisation}),
    the ``classes`` of each dataset's head, all that the checkpoint's ``meta`` says, and the hash of its content.
    """

    model: object
    streams: dict
    normalisation: dict
    classes: dict
    meta: dict
    sha256: str

    @classmethod
    def load(cls, path):
        """Rebuild the network of the checkpoint, or of the exported file, at ``path``. Raises ReproError for one of another
        architecture, of a family that is not there, or whose metadata lack a key."""
        saved = load_exported(path) if Path(path).suffix == ENDING else load_trained(path)
        meta, where = saved["meta"], str(path)
        try:
            kind = settings_of(meta["family"])
        except ValueError as error:
            raise ReproError("checkpoint of an unknown family", path=path, why=str(error), fix="is a plug-in missing?") from error
        settings = from_mapping(kind, meta["model"], where)
        streams = {name: modality_of(value, where) for name, value in meta["streams"].items()}
        classes = {dataset: tuple(names) for dataset, names in meta["classes"].items()}
        channels = {name: modality.channels for name, modality in streams.items()}
        inputs = Inputs(channels, {dataset: len(names) for dataset, names in classes.items()}, meta["input_size"])
        model = family(meta["family"]).build(settings, inputs)
        try:
            model.load_state_dict(saved["model"])
        except RuntimeError as error:
            raise ReproError("checkpoint of another architecture", path=path, why=str(error).splitlines()[-1]) from error
        normalisation = {name: from_mapping(InputNormalisation, value, where) for name, value in meta["normalisation"].items()}
        return cls(model.eval(), streams, normalisation, classes, meta, content_hash(saved))
