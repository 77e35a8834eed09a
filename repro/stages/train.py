"""``repro train``: one system on one split, from its predecessors' checkpoints; resumes at the last checkpoint."""

import contextlib
import dataclasses

import torch

from repro.clips.dataset import TrainingClips, VideoReader
from repro.datasets.index import DatasetIndex
from repro.engine.device import device_name, join_processes, pick_device
from repro.engine.settings import EngineSettings
from repro.errors import ReproError
from repro.files import fingerprint
from repro.models import ModelSpec, build_model, load_initial
from repro.models.recalibrate import recalibrate
from repro.models.weights import FROM_SCRATCH, InputNormalisation, load_weights
from repro.params import from_mapping
from repro.provenance import code_version
from repro.stages.config import check_choice, input_size, machine, paths_of, run_seeds, work_key
from repro.stages.systems import SystemSettings, recipe_of
from repro.training.checkpoint import check_origin, load_checkpoint, save_checkpoint
from repro.training.loop import batch_inputs, train
from repro.video.survey import require_report
from repro.workfolder import WorkFolder


def model_spec(params, system):
    """ModelSpec of a system: the profile's ``network`` with the system's switches; the final pool follows the input size."""
    settings = params.section(f"systems.{system}", SystemSettings)
    mapping = {**params.value("network", dict), **settings.model, "pool_size": input_size(params) // 32}
    return from_mapping(ModelSpec, mapping, f"{params.path}: systems.{system}.model")


def run(params, dataset, split, system, seed=None):
    """Train ``models/<profile>/<dataset>/split<k>/seed<s>/<system>/checkpoint.pt``; seed: the first of ``run.seeds``."""
    check_choice(params, "datasets", dataset)
    check_choice(params, "systems", system)
    rank = join_processes()
    paths, seed = paths_of(params), run_seeds(params)[0] if seed is None else seed
    settings = params.section(f"systems.{system}", SystemSettings)
    spec, recipe = model_spec(params, system), recipe_of(params, system, dataset)
    engine = params.section("engine.training", EngineSettings)
    engine.set_up_process()
    index = DatasetIndex.load(paths.index(dataset))
    if machine(params).require_doctor:
        require_report(
            paths.survey(dataset) / "report.json", paths.store(dataset), f"run `repro doctor flow --dataset {dataset}`"
        )
    videos = index.subset(split, "train")
    torch.manual_seed(int(fingerprint([seed, dataset, split, system])[:12], 16))
    model = build_model(spec, len(index.classes))
    origin = {"dataset": dataset, "split": split, "seed": seed, "classes": list(index.classes)}
    sources = [paths.model(dataset, split, seed, name) / "checkpoint.pt" for name in settings.init_from]
    normalisation, started = _initialise(model, settings, sources, origin)
    inputs = [paths.index(dataset), paths.store(dataset), *sources, *([settings.weights] if settings.weights else [])]
    values = [
        dataset,
        split,
        system,
        seed,
        dataclasses.asdict(spec),
        dataclasses.asdict(recipe),
        settings.recalibrate,
        params.get("engine.training"),
    ]
    reader = VideoReader(paths.store(dataset), spec.streams, spec.flow_length, engine.cache_gib)
    clips = TrainingClips(reader, videos["video"], videos["label"], recipe, input_size(params), seed)
    if settings.recalibrate:
        started += f"; {_recalibrate(model, clips, settings.recalibrate, normalisation, pick_device(engine.device))}"
    target = paths.model(dataset, split, seed, system)
    work = WorkFolder(f"train-{system}", work_key(code_version(__name__), values, *inputs))
    container = reader.store(videos["video"].iloc[0])
    with work if rank == 0 else contextlib.nullcontext():  # the first process writes; all resume from its checkpoint
        described = f"{dataset} split {split} {system}"
        model = train(model, clips, recipe, engine, normalisation, work.path, described)
        if rank == 0:
            meta = {
                **origin,
                "system": system,
                "profile": params.get("profile"),
                "spec": dataclasses.asdict(spec),
                "recipe": dataclasses.asdict(recipe),
                "normalisation": dataclasses.asdict(normalisation),
                "started": started,
                "steps": recipe.total_steps(len(videos)),
                "code_version": code_version(__name__),
                "params_hash": fingerprint(values),
                "input_size": input_size(params),
                "device": device_name(pick_device(engine.device)),
                "torch": str(torch.__version__),
                "store": dataclasses.asdict(container.settings),
                "flow": container.meta["flow"],
            }  # for `repro predict`
            (work.path / "result").mkdir(exist_ok=True)
            save_checkpoint(work.path / "result" / "checkpoint.pt", {"model": model.to("cpu").state_dict(), "meta": meta})
            work.publish("result", target)
            work.publish("curves.csv", paths.curves(dataset, split, seed, system))  # last: the loop needs it to resume
            print(f"{described}: {meta['steps']} steps on {meta['device']}; checkpoint in {target}")


def _initialise(model, settings, sources, origin):
    """Start ``model`` from its sources; returns the input normalisation that the weights ask for and a sentence on the start."""
    if sources:
        merged, normalisation = {}, None
        for path in sources:
            checkpoint = load_checkpoint(path)
            check_origin(checkpoint["meta"], path, **origin)
            merged.update(checkpoint["model"])
            if normalisation is None or "appearance" in checkpoint["meta"]["spec"]["streams"]:
                normalisation = from_mapping(InputNormalisation, checkpoint["meta"]["normalisation"], str(path))
        return normalisation, f"from {', '.join(settings.init_from)}: {_load(model, merged, sources[0])}"
    if settings.weights:
        try:
            weights = load_weights(settings.weights, layout=model.spec.layout)
        except ValueError as error:
            raise ReproError("cannot start from these weights", path=settings.weights, why=str(error)) from error
        return weights.normalisation, f"from {settings.weights}: {_load(model, weights.state_dict, settings.weights)}"
    return FROM_SCRATCH, "random weights"


def _recalibrate(model, clips, count, normalisation, device):
    """Give the batch norms of ``model`` the statistics of the first ``count`` sub-batches; returns a sentence on it."""
    places = [divmod(number, clips.recipe.sub_batches()) for number in range(count)]
    batches = (
        batch_inputs(clips[place], model.spec.streams, normalisation, clips.recipe, clips.input_size, device)[0]
        for place in places
    )
    recalibrate(model.to(device), batches)
    return f"batch norms recalibrated on {count} sub-batches of {clips.recipe.clips_per_batch_norm} clips"


def _load(model, state_dict, path):
    try:
        return load_initial(model, state_dict)
    except ValueError as error:
        raise ReproError("weights do not fit the network", path=path, why=str(error)) from error
