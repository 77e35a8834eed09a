"""What the tables of a profile show."""

from repro.profile.settings import RunSettings, TrajectorySettings
from repro.report.layout import ReportLayout

_SHOWN = ("title", "stands_beside", "mechanisms")  # of a dataset's settings, in tables


def layout_of(params):
    """ReportLayout of a profile: the datasets it runs with their titles, then what ``report`` in the params spells out.

    A dataset on which trajectories alone are run has no more systems than those; another lacks the trajectories that are not
    run on it.
    """
    run = params.section("run", RunSettings)
    trajectories = {name: params.section(f"idt.{name}", TrajectorySettings) for name in run.idt_systems}
    datasets = [
        {
            "name": name,
            "splits": run.splits,
            "systems": [] if name in run.datasets else [s for s, settings in trajectories.items() if settings.run_on(name)],
            "lacks": [s for s, settings in trajectories.items() if name in run.idt and not settings.run_on(name)],
            **{key: value for key, value in params.get(f"datasets.{name}").items() if key in _SHOWN},
        }
        for name in dict.fromkeys([*run.datasets, *run.idt])
    ]
    mapping = {"datasets": datasets, "seeds": run.seeds, **params.get("report")}
    return ReportLayout.from_dict(mapping, f"{params.path}: report")
