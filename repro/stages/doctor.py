"""``repro doctor``: is the data what it should be? One table of checks; exit status 2 where one fails."""

from repro.datasets.doctor import doctor_data
from repro.errors import ReproError
from repro.stages.config import check_choice, paths_of


def run(params, dataset):
    """Check the index of ``dataset``: official counts, split sizes, group leakage, undecodable and absent videos."""
    check_choice(params, "datasets", dataset)
    table = doctor_data(paths_of(params).index(dataset))
    print(table.to_string(index=False))
    wrong = table[~table["ok"]]
    if len(wrong):
        raise ReproError(f"{len(wrong)} of {len(table)} checks of {dataset} failed", path=paths_of(params).index(dataset),
                         why=", ".join(wrong["check"]))
