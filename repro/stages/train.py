"""``repro train``: one system on one split, from its parents' checkpoints; resumes at the last checkpoint."""

import contextlib
import dataclasses

import torch

from repro.clips.dataset import TrainingClips, VideoReader, batch_inputs
from repro.datasets.index import DatasetIndex
from repro.engine.device import device_name, join_processes, pick_device
from repro.engine.settings import EngineSettings
from repro.errors import ReproError
from repro.files import file_signature, fingerprint
from repro.models.recalibrate import recalibrate
from repro.models.registry import Inputs, family
from repro.models.weights import FROM_SCRATCH, InputNormalisation, load_weights
from repro.params import from_mapping
from repro.training.checkpoint import check_classes, check_origin, load_trained, save_checkpoint
from repro.training.loop import train
from repro.video.survey import require_report
from repro.workfolder import WorkFolder


def run(run, watch=None):
    """Train ``models/<profile>/<dataset>/split<k>/seed<s>/<system>/checkpoint.pt`` of a Run; ``watch``: see `train`."""
    rank = join_processes()
    run.engine.set_up_process()
    asked = run.params.section("engine.training", EngineSettings).workers
    if rank == 0 and run.engine.workers < asked:
        print(f"{run}: room for {run.engine.workers} of {asked} loader processes, which is slower; `repro doctor run` says more")
    if run.machine.require_doctor:
        fix = f"run `repro doctor flow --dataset {run.dataset}`"
        require_report(run.paths.survey(run.dataset) / "report.json", run.store, fix)
    indices = {dataset: DatasetIndex.load(run.paths.index(dataset)) for dataset in run.datasets}
    videos = {dataset: index.subset(run.split, "train") for dataset, index in indices.items()}
    torch.manual_seed(int(fingerprint([run.seed, run.dataset, run.split, run.system])[:12], 16))
    classes = {dataset: index.classes for dataset, index in indices.items()}
    channels = {name: modality.channels for name, modality in run.streams.items()}
    inputs = Inputs(channels, {dataset: len(names) for dataset, names in classes.items()}, run.input_size)
    model = family(run.settings.family).build(run.model, inputs)
    normalisation, started = _initialise(model, run, classes)
    clips = {}
    for dataset in run.datasets:
        cache = run.engine.cache_gib / len(run.datasets)
        reader = VideoReader(run.paths.store(dataset), run.streams, cache, videos[dataset])
        names, labels = videos[dataset]["video"], videos[dataset]["label"]
        clips[dataset] = TrainingClips(reader, names, labels, run.recipe, run.input_size, run.seed)
    container = clips[run.dataset].reader.store(videos[run.dataset]["video"].iloc[0])
    if run.settings.recalibrate:
        device = pick_device(run.engine.device)
        started += f"; {_recalibrate(model, clips, run.settings.recalibrate, normalisation, device)}"
    code = run.code_version("train")
    values = run.training_values()
    key = fingerprint([code, values, file_signature(*run.training_inputs())])
    work = WorkFolder(f"train-{run.system}", key)
    with work if rank == 0 else contextlib.nullcontext():  # the first process writes; all resume from its checkpoint
        model = train(model, clips, run.recipe, run.engine, normalisation, work.path, str(run), watch)
        if rank == 0:
            meta = {
                "dataset": run.dataset,
                "split": run.split,
                "seed": run.seed,
                "system": run.system,
                "profile": run.profile,
                "classes": {dataset: list(names) for dataset, names in classes.items()},
                "family": run.settings.family,
                "model": dataclasses.asdict(run.model),
                "streams": {name: dataclasses.asdict(modality) for name, modality in run.streams.items()},
                "normalisation": {name: dataclasses.asdict(value) for name, value in normalisation.items()},
                "recipe": dataclasses.asdict(run.recipe),
                "input_size": run.input_size,
                "started": started,
                "steps": run.recipe.total_steps(len(videos[run.dataset])),
                "code_version": code,
                "params_hash": fingerprint(values),
                "device": device_name(pick_device(run.engine.device)),
                "torch": str(torch.__version__),
                "store": dataclasses.asdict(container.settings),  # with flow: for `repro predict`
                "flow": container.meta["flow"],
            }
            (work.path / "result").mkdir(exist_ok=True)
            save_checkpoint(work.path / "result" / "checkpoint.pt", {"model": model.to("cpu").state_dict(), "meta": meta})
            work.publish("result", run.checkpoint.parent)
            work.publish("curves.csv", run.curves)  # last: the loop needs it to resume
            print(f"{run}: {meta['steps']} steps on {meta['device']}; checkpoint in {run.checkpoint.parent}")


def _initialise(model, run, classes):
    """Start ``model`` from its parents or weights; returns {stream: InputNormalisation}, as they ask for, and a sentence.

    ``classes``: {dataset: class names} of the run; a parent's are compared where it knows the dataset.
    """
    normalisation = {name: FROM_SCRATCH for name in run.streams}
    if run.parents:
        merged = {}
        for parent in run.parents:
            saved = load_trained(parent.checkpoint)
            meta = saved["meta"]
            origin = {"dataset": parent.dataset, "split": run.split, "seed": run.seed, "system": parent.system}
            check_origin(meta, parent.checkpoint, **origin, profile=run.profile, input_size=run.input_size)
            check_classes(meta, parent.checkpoint, {name: classes[name] for name in classes if name in meta["classes"]})
            merged.update(saved["model"])
            for name, value in meta["normalisation"].items():
                normalisation[name] = from_mapping(InputNormalisation, value, str(parent.checkpoint))
        names = ", ".join(run.settings.init_from)
        normalisation = {name: normalisation[name] for name in run.streams}
        return normalisation, f"from {names}: {_start(model, run, merged, run.parents[0].checkpoint)}"
    if not run.settings.weights:
        return normalisation, "random weights"
    started = []
    for stream, path in run.weights.items():
        try:
            weights = load_weights(path, run.model.weights_layout)
        except ValueError as error:
            raise ReproError("cannot start from these weights", path=path, why=str(error)) from error
        normalisation |= {name: weights.normalisation for name in ([stream] if stream else run.streams)}
        state = weights.state_dict
        if stream:
            state = {f"{stream}.{key}": tensor for key, tensor in state.items()}
        started.append(f"from {path}: {_start(model, run, state, path)}")
    return normalisation, "; ".join(started)


def _start(model, run, state_dict, path):
    try:
        return family(run.settings.family).start(model, state_dict)
    except ValueError as error:
        raise ReproError("weights do not fit the network", path=path, why=str(error)) from error


def _recalibrate(model, clips, count, normalisation, device):
    """Give the batch norms of ``model`` the statistics of the first ``count`` sub-batches; returns a sentence on it."""
    (dataset, drawn), *_ = clips.items()
    recipe = drawn.recipe
    places = [divmod(number, recipe.sub_batches()) for number in range(count)]
    batches = (
        batch_inputs(drawn[place], drawn.reader.streams, normalisation, recipe.crop, drawn.input_size, device)[0]
        for place in places
    )
    recalibrate(model.to(device), batches, dataset)
    return f"batch norms recalibrated on {count} sub-batches of {recipe.clips_per_batch_norm} clips"
