"""``repro prepare``: from videos and official lists to one index per dataset, every frame decoded."""

from repro.datasets.scan import build_index
from repro.provenance import code_version
from repro.stages.config import dataset_settings, paths_of, processes, require, work_key
from repro.work import WorkFolder


def run(params, dataset):
    """Index ``data/<dataset>/raw/{videos,splits}`` into ``data/<dataset>/index``."""
    settings, paths = dataset_settings(params, dataset), paths_of(params)
    raw = paths.raw(dataset)
    require(raw, "no videos of this dataset", f"put (or link) its videos and official split lists at {raw}/videos and {raw}/splits")
    for part in ("videos", "splits"):
        require(raw / part, f"a dataset lies at {raw}/videos and {raw}/splits", "put or link it there")
    key = work_key(code_version(__name__), params.get(f"datasets.{dataset}"), raw)
    with WorkFolder("prepare", key) as work:
        index = build_index(dataset, settings.layout, raw / "videos", raw / "splits", processes(params),
                            settings.exclude_bad, work.path / "journal.jsonl")
        index.save(work.path / "index")
        work.publish("index", paths.index(dataset))
    for split in index.splits:
        print(f"{dataset} split {split}: {len(index.subset(split, 'train'))} training, {len(index.subset(split, 'test'))} test videos")
    bad = (index.table["problems"] != "").sum()
    print(f"{dataset}: {len(index.table)} videos, {index.table['frames'].sum()} frames, {bad} with problems; index in {paths.index(dataset)}")
