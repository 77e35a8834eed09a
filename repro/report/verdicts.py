"""Committed score files of all profiles -> each claim of the papers: does it hold, and where? The unfavourable ones first."""

from dataclasses import dataclass, replace

from repro.errors import ReproError
from repro.evaluation import uncertainty
from repro.evaluation.different import BELOW, DOES_NOT_HOLD, HOLDS, NOT_SHOWN, claimed_above
from repro.report.ablations import compared as in_ablations
from repro.report.claims import compared as in_claims
from repro.report.details import compared as in_paired_tests
from repro.report.details import either_way
from repro.report.layout import DatasetLayout
from repro.report.measured import Results
from repro.report.text import (
    NOT_RUN,
    Document,
    Section,
    difference_row,
    escaped,
    interval_text,
    markdown_table,
    only_splits,
    p_text,
    percent,
)

COLUMNS = ("diagnostic", "J-HMDB", "UCF101 / HMDB51")
_REAL = COLUMNS[1:]
_NO_PAIRS = "–"
_PAGES = {"paired_tests": in_paired_tests, "claims": in_claims, "ablations": in_ablations}
_RANK = {DOES_NOT_HOLD: 0, NOT_SHOWN: 1, HOLDS: 2, NOT_RUN: 3, _NO_PAIRS: 3}


@dataclass(frozen=True)
class Claim:
    """``first`` is above each of ``others``: parts of `ClaimSystems`, or names of systems. ``mechanism``: judged within its class
    pairs; "" = all videos. ``page``: the document of a profile that shows it."""

    text: str
    printed: str
    first: str
    others: tuple
    mechanism: str = ""
    page: str = "paired_tests"


CLAIMS = (
    Claim("Two-stream is above each of its streams", "Table 3", "late_fusion", ("appearance", "motion")),
    Claim("ST-ResNet is above two-stream", "Table 3", "st_resnet", ("late_fusion",)),
    Claim("ST-ResNet* is above ST-ResNet", "Table 3", "st_resnet_star", ("st_resnet",)),
    Claim("ST-ResNet* is above IDT", "Table 4", "st_resnet_star", ("idt",)),
    Claim("ST-ResNet* + IDT is above ST-ResNet*", "Table 4", "star_idt", ("st_resnet_star",)),
    Claim("ST-ResNet* + IDT is above IDT", "Table 4", "star_idt", ("idt",)),
    Claim("ST-ResNet is above two-stream on binding", "Sec. 3.2", "st_resnet", ("late_fusion",), "binding", "claims"),
    Claim("ST-ResNet* is above ST-ResNet on order", "Sec. 3.3", "st_resnet_star", ("st_resnet",), "order", "claims"),
    Claim(
        "A network with motion residuals is above one without, on binding",
        "Sec. 3.2",
        "st_resnet",
        ("no_injection",),
        "binding",
        "ablations",
    ),
    Claim("Injecting motion into appearance is above injecting both ways", "Sec. 3.2", "st_resnet", ("both_ways",)),
    Claim("Injecting motion into appearance is above the reverse", "Sec. 3.2", "st_resnet", ("reverse",)),
    Claim(
        "A network with temporal convolutions is above one without, on order",
        "Sec. 3.3",
        "long",
        ("long_no_temporal",),
        "order",
        "ablations",
    ),
    Claim("Multiplied residuals are above added ones", "CVPR 2017", "multiply", ("st_resnet",)),
    Claim("ST-MulNet is above ST-ResNet", "CVPR 2017", "st_mulnet", ("st_resnet",)),
    Claim(
        "Ten flow fields are above a single one (printed for fields less their means; here as they are)",
        "NIPS 2014",
        "flow",
        ("flow_single",),
    ),
    Claim("Ten flow fields less their means are above the ten as they are", "NIPS 2014", "flow_mean", ("flow",)),
    Claim("TSN's two modalities together are above each of them", "ECCV 2016", "tsn", ("tsn_rgb", "tsn_flow")),
    Claim(
        "Maps fused by 3D convolution and pooling are above streams averaged at the end",
        "CVPR 2016",
        "fusion_conv3d",
        ("fusion_none",),
    ),
    Claim("I3D is above I2D", "ECCV 2018", "i3d", ("i2d",)),
    Claim("S3D is above I3D", "ECCV 2018", "s3d", ("i3d",)),
    Claim("S3D-G is above S3D", "ECCV 2018", "s3d_g", ("s3d",)),
    Claim("Top-heavy S3D is above bottom-heavy S3D", "ECCV 2018", "s3d_top_heavy", ("s3d_bottom_heavy",)),
)


@dataclass(frozen=True, eq=False)
class Source:
    """A dataset of a profile with committed scores. ``column``: of `COLUMNS`; ``trained``: {system: how long, in words};
    ``splits``: those that any profile has of the dataset, () = no more than this one."""

    column: str
    profile: str
    dataset: DatasetLayout
    results: Results
    trained: dict
    splits: tuple = ()

    def systems(self, claim):
        """The claim's (first, others) as names of systems here."""
        names = [getattr(self.results.layout.claims, part, part) for part in (claim.first, *claim.others)]
        return names[0], names[1:]


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a source says of a claim; ``found``: ((name of the other system, Difference), ...), empty where it was not run."""

    claim: Claim
    source: Source
    verdict: str
    found: tuple

    def only_against(self, other):
        """Over which splits ``other`` was compared where some are missing, such as " (only split 1)", else ""."""
        first, _ = self.source.systems(self.claim)
        cell, _ = self.source.results.shared(self.source.dataset.name, first, other)
        return only_splits(replace(cell, dataset=replace(cell.dataset, splits=self.source.splits or cell.dataset.splits)))

    def per_seed(self, other):
        """First - ``other`` in [-1, 1] from every seed that both were trained from on all splits, that of ``found`` first."""
        first, _ = self.source.systems(self.claim)
        runs = self.source.results.seeds(self.source.dataset.name, first, other)
        return [self._accuracy(one) - self._accuracy(another) for one, another in runs.values()]

    def _accuracy(self, run):
        name = self.claim.mechanism
        return uncertainty.accuracy(run.mechanism_outcomes(name) if name else run.outcomes)

    @property
    def seeds_disagree(self):
        """Whether another seed reverses the sign of a difference."""
        return any(min(points) < 0 < max(points) for other, _ in self.found if (points := self.per_seed(other)))

    @property
    def only(self):
        """The same of the first comparison that lacks splits."""
        return next(filter(None, (self.only_against(other) for other, _ in self.found)), "")


def judge(sources):
    """The Verdict of every claim on every source that knows its systems, by the differences of the page that shows it."""
    made = []
    for claim, source in ((claim, source) for claim in CLAIMS for source in sources if _knows(source, claim)):
        first, others = source.systems(claim)
        found = [(other, _difference(source, claim, first, other)) for other in others]
        if any(difference is None for _, difference in found):
            made.append(Verdict(claim, source, NOT_RUN, ()))
        else:
            made.append(Verdict(claim, source, claimed_above([difference.verdict for _, difference in found]), tuple(found)))
    return made


def verdicts(sources):
    """The Document: one table of all claims, one of the numbers behind them."""
    judged = judge(sources)
    heading, rows = ("claim", "printed in", *COLUMNS), table_rows(judged, "")
    numbers, records = [], []
    for each in sorted(judged, key=lambda v: (_RANK[v.verdict], COLUMNS.index(v.source.column) == 0)):
        first, _ = each.source.systems(each.claim)
        titles = {system.name: system.title for system in each.source.results.layout.systems}
        names = (each.claim.text, each.source.dataset.name, each.source.profile)
        for other, difference in each.found:
            versus = f"{titles[first]} − {titles[other]}"
            shown = (interval_text(difference.points), p_text(difference.p), p_text(difference.adjusted), difference.verdict)
            seeds = [percent(points) for points in each.per_seed(other)]
            several = seeds if len(seeds) > 1 else []
            numbers.append((*names, versus, shown[0] + each.only_against(other), *shown[1:], ", ".join(several)))
            record = (*names, first, other, each.claim.mechanism, *difference_row(difference))
            records.append((*record, " ".join(several), each.verdict + each.only))
        if not each.found:
            records.append((*names, first, "", each.claim.mechanism, *difference_row(None), "", NOT_RUN))
    sections = (
        Section("Claim by claim", heading, rows, (_WORDS, _RULE)),
        Section(
            "The numbers",
            ("claim", "dataset", "profile", "compared", "points [95 %]", "p", "adjusted p", "first is", "points from each seed"),
            tuple(numbers),
        ),
    )
    columns = ("claim", "dataset", "profile", "first", "other", "mechanism", "difference_points", "difference_low_95")
    columns += ("difference_high_95", "p_permutation", "p_adjusted", "first_is", "points_per_seed", "verdict")
    return Document("verdicts", "Do the papers' claims hold?", sections, (columns, *records))


_WORDS = (
    "Holds: the first system is above each of the others. Does not hold: it is below one of them. Not shown: neither. Not run: "
    "scores are missing. Only split N: the other splits have not been run. –: the dataset has no such class pairs. Where a "
    "dataset appears twice, the second profile is named. Seeds disagree: the verdict is that of the first seed of training, and "
    "another seed reverses the sign of the difference. Tables and sections are those of the ST-ResNet paper; NIPS 2014: "
    "Two-Stream; ECCV 2016: TSN; CVPR 2016: Two-Stream Fusion; CVPR 2017: ST-MulNet; ECCV 2018: S3D."
)
_RULE = (
    "Above and below are the verdicts of the linked page, by the one rule for differences: the p value of the paired permutation "
    "test per distinct video, adjusted over that page (false-discovery rate), is below .05."
)


def readme_verdicts(sources, folder):
    """Markdown for the README: what does not hold on real data, in words, then the table. ``folder``: results, seen from it."""
    judged = judge(sources)
    table = markdown_table(("claim", "printed in", *COLUMNS), table_rows(judged, f"{folder}/"))
    return "\n\n".join([*_in_words(judged), table, f"{_WORDS} Numbers: [{folder}/verdicts.md]({folder}/verdicts.md)."])


def table_rows(judged, folder):
    """Rows of the table of claims, the unfavourable ones first: what real data say against a claim counts most."""

    def rank(claim, columns):
        return min([_RANK[v.verdict] for v in judged if v.claim is claim and v.source.column in columns], default=3)

    ordered = sorted(CLAIMS, key=lambda claim: (rank(claim, _REAL), rank(claim, COLUMNS[:1])))
    return tuple((escaped(c.text), c.printed, *(_cell(judged, c, column, folder) for column in COLUMNS)) for c in ordered)


def _cell(judged, claim, column, folder):
    there = [v for v in judged if v.claim is claim and v.source.column == column and v.verdict != NOT_RUN]
    if not there:
        return _NO_PAIRS if claim.mechanism and column != COLUMNS[0] else NOT_RUN
    parts = []
    for word in sorted({v.verdict for v in there}, key=_RANK.get):
        links = []
        for v in (v for v in there if v.verdict == word):
            twice = sum(other.source.dataset.name == v.source.dataset.name for other in there) > 1
            name = v.source.dataset.name
            name += f", {v.source.profile}" if twice and v.source.profile != there[0].source.profile else ""
            name += v.only.replace(" (", ", ").rstrip(")") + (", seeds disagree" if v.seeds_disagree else "")
            links.append(f"[{name}]({folder}{v.source.profile}/tables/{claim.page}.md)")
        strong = f"**{word}**" if word != HOLDS else word
        parts.append(f"{strong} ({', '.join(links)})")
    return "; ".join(parts)


def _in_words(judged):
    """A sentence per claim that real data speak against, and then per claim that they do not show where the first is lower."""
    told = []
    for v in sorted(judged, key=lambda v: _RANK[v.verdict]):
        if v.verdict not in (DOES_NOT_HOLD, NOT_SHOWN) or v.source.column not in _REAL:
            continue
        titles = {system.name: escaped(system.title) for system in v.source.results.layout.systems}
        first, _ = v.source.systems(v.claim)
        for other, difference in v.found:
            if difference.points.value < 0:
                points = f"{interval_text(difference.points)} points{v.only_against(other)}"
                numbers = f"{points}, adjusted p {p_text(difference.adjusted)}"
                is_so = "is below" if difference.verdict == BELOW else "is not shown to be above"
                text = f"**On {v.source.dataset.title}, {titles[first]} {is_so} {titles[other]}**: {numbers}."
                told.append(text + (f" {titles[first]} {v.source.trained[first]}." if first in v.source.trained else ""))
    return ["  \n".join(told)] if told else []


def _knows(source, claim):
    """Whether a dataset's layout has the claim's systems and class pairs."""
    first, others = source.systems(claim)
    there = {system.name for system in source.results.layout.systems_of(source.dataset)}
    return there.issuperset((first, *others)) and (
        not claim.mechanism or claim.mechanism in {mechanism.name for mechanism in source.dataset.mechanisms}
    )


def _difference(source, claim, first, other):
    """first - other as the claim's page has it; None where no split was run on both, or too few for a page that wants all. A
    page that lacks the pair is a fault of its layout."""
    results, dataset = source.results, source.dataset.name
    if results.shared(dataset, first, other) is None:
        return None
    if difference := either_way(_PAGES[claim.page](results), dataset, claim.mechanism, first, other):
        return difference
    if None in (results.complete(dataset, first), results.complete(dataset, other)):
        return None
    raise ReproError(
        f"no comparison of `{first}` and `{other}` on {dataset}",
        path=f"params/{source.profile}.yaml",
        why=f"the claim `{claim.text}` is judged by {claim.page}",
        fix="list the pair under report.comparisons or report.ablations",
    )
