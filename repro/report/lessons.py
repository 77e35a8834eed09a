"""Results -> what a reader learns from a page, in sentences: the unfavourable first, every number and verdict computed.

Verdicts are those of the documents that the pages show: `details.compared` for pairs of systems, `claims` for mechanisms,
`ablations.compared` for variants. Nothing is tested again here.
"""

from dataclasses import dataclass

from repro.evaluation.different import BELOW, DOES_NOT_HOLD, HOLDS, NOT_SHOWN, claimed_above
from repro.report.claims import claims
from repro.report.details import compared, either_way
from repro.report.text import NOT_RUN, escaped, interval_text, only_splits, p_text, percent
from repro.report.training import training

TABLE3 = (("late_fusion", "appearance"), ("late_fusion", "motion"), ("st_resnet", "late_fusion"), ("st_resnet_star", "st_resnet"))
TABLE4 = (("st_resnet_star", "idt"), ("star_idt", "st_resnet_star"), ("star_idt", "idt"))
CONTROLS = (  # is it the method, or the longer training? two streams trained on together, and each half of the method alone
    ("st_resnet", "two_stream_joint"),
    ("two_stream_joint", "late_fusion"),
    ("injection_alone", "two_stream_joint"),
    ("filters_alone", "two_stream_joint"),
)
LONGER = (("st_resnet", "st_resnet_short"), ("st_resnet", "st_resnet_start"))
ALL_VIDEOS = (*TABLE3, *CONTROLS, *LONGER, *TABLE4)
TRAJECTORIES = (("star_idt", "st_resnet_star"), ("idt", "idt_uncompensated"))
NOT_COMPARED = "not compared"
_LEADS = {
    DOES_NOT_HOLD: "**Does not hold:**",
    NOT_SHOWN: "**Not shown:**",
    HOLDS: "Holds:",
    NOT_RUN: "Not run:",
    NOT_COMPARED: "Run, but not compared in this profile:",
}


@dataclass(frozen=True)
class Finding:
    """``text``: what was found, in words. ``verdict``: of the expectation behind it. ``where``: the dataset. ``numbers``: what it
    rests on, may be ""."""

    text: str
    verdict: str
    where: str = ""
    numbers: str = ""

    def __str__(self):
        return _with_places(self.text, [_place(self.where, self.numbers)])


def sentences(findings):
    """One sentence per verdict, those that do not hold first; findings that differ in their dataset alone are told together."""
    told = []
    for verdict, lead in _LEADS.items():
        places = {}
        for each in (each for each in findings if each.verdict == verdict):
            places.setdefault(each.text, []).append(_place(each.where, each.numbers))
        if places:
            told.append(f"{lead} {'; '.join(_with_places(text, rests) for text, rests in places.items())}.")
    return told


def _place(where, numbers):
    """``jhmdb: +3.1 points ...``, or the one that is there."""
    return ": ".join(part for part in (where, numbers) if part)


def _with_places(text, rests):
    return f"{text} ({'; '.join(rests)})" if any(rests) else text


def markdown(told):
    """Sentences as a list. ``told``: texts, one to a line."""
    return "\n".join(f"* {sentence}" for sentence in told)


def pairs(results, wanted):
    """What became of "the first is above the other", per dataset: list of Finding.

    ``wanted``: (first, other), parts of `ClaimSystems` or names of systems, such as `TABLE3`. Over the splits that
    both were run on; the numbers say so where some are missing.
    """
    found, page = [], compared(results)
    for dataset in results.layout.datasets:
        titles = {system.name: escaped(system.title) for system in results.layout.systems_of(dataset)}
        for first, other in (_named(results.layout, pair) for pair in wanted):
            if first not in titles or other not in titles:
                continue
            cells = results.shared(dataset.name, first, other)
            if cells is None:
                found.append(Finding(f"{titles[first]} is above {titles[other]}", NOT_RUN, dataset.name))
                continue
            difference = either_way(page, dataset.name, "", first, other)
            if difference is None:
                found.append(Finding(f"{titles[first]} is above {titles[other]}", NOT_COMPARED, dataset.name))
                continue
            text = f"{titles[first]} is above {titles[other]}" + (", in fact it is below" if difference.verdict == BELOW else "")
            found.append(Finding(text, verdict_of(difference), dataset.name, points(difference) + only_splits(cells[0])))
    return found


def trajectories(results):
    """Sentences on `TRAJECTORIES`: first where trajectories hurt, which is where the fusion with them is below its network."""
    found, below = pairs(results, TRAJECTORIES[:1]), {}
    for each in (each for each in found if each.verdict == DOES_NOT_HOLD):
        below[each.where] = each.numbers
    rest = [each for each in found if each.where not in below] + pairs(results, TRAJECTORIES[1:])
    told = "; ".join(_place(where, numbers) for where, numbers in below.items())
    hurt = f"**Trajectories hurt:** the network with them is below the network alone ({told})."
    return ([hurt] if below else []) + sentences(rest)


def mechanism_claims(results):
    """The document of claims as findings, one per claim and dataset; those that hold without the numbers that it shows."""
    return [
        Finding(escaped(text), verdict, dataset, "" if verdict == HOLDS else escaped(_shortest(rests)))
        for dataset, text, rests, verdict in _rows(claims(results))
    ]


def _shortest(rests):
    """Of what a claim rests on, the differences where there are any."""
    parts = rests.split("; ")
    return "; ".join([part for part in parts if part.startswith("against")] or parts)


def counted(findings, of_what):
    """How many of ``findings`` hold: one sentence, such as "Claims, 3 in all; does not hold: 1, holds: 2."."""
    counts = {verdict: sum(each.verdict == verdict for each in findings) for verdict in _LEADS}
    told = ", ".join(f"{verdict}: {count}" for verdict, count in counts.items() if count)
    return f"{of_what}, {len(findings)} in all" + (f"; {told}." if told else ".")


def gap_in_training(profile_folder, results):
    """The system whose test accuracy lies furthest below its training accuracy, per dataset: list of sentences.

    Training accuracy: mean over splits of the last tenth of the steps, on single training clips, so it is no test of the same
    kind; the sentence says so. Errors: ReproError for a file that holds no curves."""
    ends = {}
    for dataset, system, _, seed, _, last, _ in _rows(training(profile_folder, results)):
        if seed == results.layout.seeds[0]:
            ends.setdefault((dataset, system), []).append(float(last))
    told = []
    for dataset in results.layout.datasets:
        gaps = []
        for (name, system), values in ends.items():
            cell = results.complete(dataset.name, system)
            if name == dataset.name and cell and len(values) == len(dataset.splits):
                mean = sum(values) / len(values)
                gaps.append((mean - 100 * cell.interval.value, mean, cell))
        if not gaps:
            told.append(f"{dataset.name}: {NOT_RUN}, or no curves were kept.")
            continue
        _, mean, cell = max(gaps, key=lambda gap: gap[0])
        told.append(
            f"On {dataset.name}, the gap between training and test accuracy is widest for {escaped(cell.system.title)}: "
            f"{mean:.1f} % on training clips at the end, {interval_text(cell.interval)} % on test videos "
            "(single clips and whole videos are different tasks)."
        )
    return told


class Checks:
    """Prints the checks of a page as they are made and tells at its end how they went."""

    def __init__(self):
        self.made = []

    def __call__(self, text, holds):
        """Print ``text: True`` or ``text: False`` and keep it."""
        text = " ".join(text.split()).rstrip(": ")
        self.made.append((text, bool(holds)))
        print(f"{text}: {bool(holds)}")

    def sentence(self):
        """How many hold, and by name those that do not."""
        failed = [text for text, holds in self.made if not holds]
        if failed:
            return f"**{len(failed)} of {len(self.made)} checks fail:** {'; '.join(failed)}."
        return f"All {len(self.made)} checks of this page pass." if self.made else "No check was made."


def verdict_of(difference):
    """What becomes of the expectation that the first of a Difference is above the other."""
    return claimed_above([difference.verdict])


def points(difference):
    """A Difference as ``+3.1 points [0.4, 5.8], adjusted p 0.036``."""
    value, ends = interval_text(difference.points).split(" ", 1)
    sign = "" if value.startswith("-") or not float(value) else "+"
    return f"{sign}{value} points {ends}, adjusted p {p_text(difference.adjusted)}"


def share(part, whole):
    """``7 of 9 (77.8 %)``."""
    return f"{part} of {whole} ({percent(part / whole)} %)" if whole else "none"


def _named(layout, pair):
    return tuple(getattr(layout.claims, part, part) for part in pair)


def _rows(document):
    return document.csv_rows[1:]
