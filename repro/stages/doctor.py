"""``repro doctor``: is the data what it should be? One table of checks; exit status 2 where one fails."""

import json
import tempfile
from pathlib import Path

import cv2
import matplotlib.figure
import numpy as np
import pandas

from repro.datasets import manifest
from repro.datasets.doctor import doctor_data
from repro.datasets.index import DatasetIndex
from repro.errors import ReproError
from repro.files import atomic_path, require
from repro.flow import FlowSettings, dequantise
from repro.flow.pictures import contact_sheet, strips
from repro.params import from_mapping
from repro.stages.extract_video import extract_video
from repro.video.store import ClipStore
from repro.video.survey import mean_difference, store_digest, survey

_CLIPPED = 0.05  # of all values at the bound: with more, the bound does not fit the motion
_STILL = 0.01  # of the videos without any motion; real data have a few
_GOLDEN = 0.5  # of one of the 255 steps, mean over a clip: other devices and library versions stay below
_SHEET = 63  # videos in the contact sheet, whose first place of 8 x 8 is the wheel's
_NAMED = 3


def run(run, what):
    """Check the index (``what`` "data") or the containers ("flow") of a Run's dataset, print the table; raise
    where a check fails."""
    place = run.index if what == "data" else run.paths.survey(run.dataset)
    table = _data(run) if what == "data" else _flow(run)
    print(table.to_string(index=False))
    wrong = table[~table["ok"]]
    if len(wrong):
        raise ReproError(
            f"{len(wrong)} of {len(table)} checks of {run.dataset} failed", path=place, why=", ".join(wrong["check"])
        )


def _data(run):
    """Table of checks of the index; videos are compared with the manifest of `repro prepare`, or decoded again."""
    raw = run.raw
    prepared = raw if (raw / manifest.NAME).is_file() else None
    videos = raw / "videos" if prepared is None and (raw / "videos").is_dir() else None
    return doctor_data(run.index, videos, run.machine.processes, prepared)


def _flow(run):
    """Table of checks of all containers; also writes it, a report and figures to ``data/<dataset>/survey``. A held-out part
    shares the containers of the whole, all of which are looked at."""
    dataset, folder, held_out = run.dataset, run.store, run.dataset_settings.held_out
    whole = held_out.of if held_out else dataset
    index = DatasetIndex.load(run.paths.index(whole))
    require(folder, "no containers", f"run `repro extract --dataset {dataset}`")
    table = index.table[index.table["problems"] == ""]
    videos = {row.video: row for row in table.itertuples()}
    found = survey(folder, {video: int(row.frames) for video, row in videos.items()}, run.machine.processes)
    sound = [video for video in videos if video not in found.problems]
    with atomic_path(run.paths.survey(dataset)) as target:
        target.mkdir()
        checks = _checks(run, found, videos)
        if sound:
            golden = min(sound, key=lambda video: (videos[video].frames < 11, videos[video].frames))  # short, but not too short
            checks.append(_golden(folder / f"{golden}.zip", run.paths.raw(whole) / "videos" / videos[golden].path, golden))
            _draw(target, [folder / f"{video}.zip" for video in sound], found, run.store_settings.flow_bound)
        checks = pandas.DataFrame(checks, columns=["check", "expected", "found", "ok", "detail"], dtype=object)
        checks = checks.astype({"ok": bool})
        checks.to_csv(target / "checks.csv", index=False)
        passed = bool(checks["ok"].all())
        report = {
            "dataset": dataset,
            "passed": passed,
            "store": store_digest(folder) if passed else "",
            "containers": found.containers,
            "frames": found.frames,
            "fields": found.fields,
            "bytes": found.size_bytes,
            "share_clipped": round(found.clipped, 6),
            "share_zero": round(found.zero, 6),
            "still": found.still,
            "made": found.settings,
            "problems": found.problems,
            "left_by_killed_writers": found.leftovers,
        }
        (target / "report.json").write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
    return checks


def _checks(run, found, videos):
    """Rows (check, expected, found, ok, detail) on what the survey found."""
    frames = sum(int(row.frames) for row in videos.values())
    wanted = {
        "store": run.store_settings.saved(),
        "flow": run.flow_settings.used(),
    }
    made = [json.loads(each) for each in found.settings]
    other = sorted(
        {f"{kind}: {each[kind]}" for each in made for kind in wanted if each[kind] not in (wanted[kind], {"backend": "imported"})}
    )
    return [
        _equal("containers", len(videos), found.containers),
        _equal("frames", frames, found.frames),
        _equal("flow fields", frames - len(videos) if run.store_settings.fields else 0, found.fields),
        _few("missing, damaged or unexpected containers", 0, [f"{video}: {why}" for video, why in found.problems.items()]),
        _few("files left by killed writers", 0, found.leftovers),
        ("settings and library versions in use", 1, len(made), len(made) == 1, _named(found.settings) if len(made) != 1 else ""),
        _few("settings that params do not ask for", 0, other),
        ("share of values at the bound", f"<= {_CLIPPED}", round(found.clipped, 5), found.clipped <= _CLIPPED, ""),
        _few("videos without motion", int(np.ceil(_STILL * len(videos))), found.still),
    ]


def _golden(path, source, video):
    """One clip extracted again with the settings in its container: a row on how far the two are apart."""
    check, limit = "golden clip computed again, mean |difference|", f"<= {_GOLDEN}"
    store = ClipStore(path)
    if store.meta["flow"] == {"backend": "imported"}:
        return check, "", "", True, "imported pictures"
    try:
        with tempfile.TemporaryDirectory() as folder:
            again = Path(folder) / "again.zip"
            extract_video(source, again, store.settings, from_mapping(FlowSettings, store.meta["flow"]))
            rgb, flow = mean_difference(path, again)
    except (ReproError, ValueError, OSError) as error:  # a flow method that is not available here; no room for temporary files
        return check, limit, "", False, str(error)
    return check, limit, round(max(rgb, flow), 4), max(rgb, flow) <= _GOLDEN, f"{video}: RGB {rgb:.4f}, flow {flow:.4f}"


def _draw(target, paths, found, bound):
    """contact_sheet.png, histogram.png, histogram.csv, and strip.png of the middle video."""
    chosen = [ClipStore(paths[k * len(paths) // _SHEET]) for k in range(_SHEET)] if len(paths) > _SHEET else map(ClipStore, paths)
    moving = [store for store in chosen if store.fields and "flow" in store.planes]
    if not moving:
        return
    sheet = contact_sheet([store.flow([store.fields // 2])[0] for store in moving], bound)
    store = moving[len(moving) // 2]
    moments = np.linspace(0, store.fields - 1, 4).round().astype(int)
    for name, picture in (("contact_sheet", sheet), ("strip", strips(store.rgb(moments), store.flow(moments), bound))):
        cv2.imwrite(str(target / f"{name}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    pixels = dequantise(np.arange(256), bound)
    shares = found.histogram / found.histogram.sum(1, keepdims=True)
    pandas.DataFrame({"byte": range(256), "px": pixels.round(4), "u": found.histogram[0], "v": found.histogram[1]}).to_csv(
        target / "histogram.csv", index=False
    )
    figure = matplotlib.figure.Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    for name, share in zip("uv", shares):
        axes.step(pixels, 100 * share, where="mid", lw=1, label=name)
    axes.set(xlabel="px", ylabel="% of values", yscale="log", title=f"{100 * found.clipped:.3f} % at the bound of {bound:g} px")
    axes.legend()
    figure.savefig(target / "histogram.png", dpi=120, metadata={"Software": None})


def _equal(check, expected, found):
    return check, expected, found, expected == found, ""


def _few(check, allowed, which):
    return check, allowed and f"<= {allowed}", len(which), len(which) <= allowed, _named(which)


def _named(which):
    which = list(which)
    return "; ".join(which[:_NAMED]) + (f" and {len(which) - _NAMED} more" if len(which) > _NAMED else "")
