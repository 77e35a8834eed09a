"""Systems side by side -> what differs: accuracies, paired differences, classes won and lost, the videos that changed."""

import itertools

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from repro.evaluation import uncertainty
from repro.evaluation.different import ABOVE, BELOW, NOT_SHOWN, differences, rule
from repro.report.figures import COLOURS, STYLE, whiskers
from repro.report.text import (
    DIFFERENCE_COLUMNS,
    Document,
    Section,
    difference_row,
    interval_row,
    interval_text,
    p_text,
    percent,
    signed,
)

_ENDS = 5  # classes that are named at either end
_BARS = 40  # classes that are drawn, those that change most
_VERDICTS = {ABOVE: "#009E73", BELOW: "#D55E00", NOT_SHOWN: "#7A7A7A"}


def compared(systems, draws=uncertainty.DRAWS, seed=0):
    """[(earlier System, later System, Difference later - earlier)] of all pairs, tested together."""
    pairs = list(itertools.combinations(systems, 2))
    found = differences([(later.outcomes, earlier.outcomes) for earlier, later in pairs], draws, seed)
    return [(*pair, difference) for pair, difference in zip(pairs, found)]


def documents(systems, pairs, draws=uncertainty.DRAWS, seed=0):
    """Documents ``accuracy``, ``differences``, ``classes`` (of these the CSV alone is long) and ``videos`` by name."""
    made = (
        _accuracy(systems, draws, seed),
        _differences(systems, pairs, draws, seed),
        _classes(systems, pairs),
        _videos(systems),
    )
    return {document.name: document for document in made}


def _accuracy(systems, draws, seed):
    lines, rows = [], []
    for system in systems:
        interval = uncertainty.bootstrap(system.outcomes, draws, seed)
        mean_class = percent(system.mean_class_accuracy)
        each = [percent(split.correct.mean()) for split in system.splits]
        lines.append((system.title, interval_text(interval), *(each if len(each) > 1 else ()), mean_class, interval.videos))
        rows.append((system.title, *interval_row(interval), " ".join(each), mean_class))
    splits = [f"split {split.number}" for split in systems[0].splits] if len(systems[0].splits) > 1 else []
    heading = ("system", "accuracy, % [95 %]", *splits, "mean class, %", "videos")
    note = (
        "Accuracy and mean class: means over the splits. Interval: cluster bootstrap over the distinct videos "
        f"({draws:,} draws, seed {seed}; Wilson interval where all videos are right or all wrong)."
    )
    columns = ("system", "percent", "low_95", "high_95", "videos_distinct", "percent_per_split", "mean_class_percent")
    notes = (note, *_believed(systems))
    return Document("accuracy", "Accuracy", (Section("All videos", heading, tuple(lines), notes),), (columns, *rows))


def _believed(systems):
    """A note where no file of this project, and no list, says which videos and labels these are."""
    if file := systems[0].believed:
        yield f"Not checked against any list: names and labels of the videos are as {file} has them."


def _differences(systems, pairs, draws, seed):
    lines, rows = [], []
    for earlier, later, difference in pairs:
        tests = [uncertainty.mcnemar(b.correct, a.correct) for a, b in zip(earlier.splits, later.splits)]
        mcnemar = "; ".join(f"{test.only_a} : {test.only_b}, {p_text(test.p)}" for test in tests)
        gains = later.class_accuracy - earlier.class_accuracy
        classes = tuple(int(count) for count in ((gains > 0).sum(), (gains < 0).sum(), (gains == 0).sum()))
        shown = (interval_text(difference.points), p_text(difference.p), p_text(difference.adjusted), difference.verdict)
        lines.append((f"{later.title} − {earlier.title}", *shown, mcnemar, " : ".join(map(str, classes))))
        exact = ["; ".join(f"{value:.6f}" if isinstance(value, float) else str(value) for value in column) for column in
                 zip(*((test.only_a, test.only_b, test.p) for test in tests))]  # fmt: skip
        rows.append((later.title, earlier.title, *difference_row(difference), *exact, *classes))
    heading = ("difference", "points [95 %]", "p", "adjusted p", "verdict", "McNemar", "classes won : lost : equal")
    notes = (
        "The verdict is about the first system. McNemar: videos that only the first : only the second system gets right, exact "
        "p, per split; it takes no part in the verdict.",
        rule(draws, seed, len(pairs)),
    )
    mcnemar = ("mcnemar_only_first", "mcnemar_only_second", "mcnemar_p")
    columns = ("first", "second", *DIFFERENCE_COLUMNS, *mcnemar, "classes_won", "classes_lost", "classes_equal")
    section = Section("The same videos", heading, tuple(lines), notes)
    return Document("differences", "Differences", (section,), (columns, *rows))


def _classes(systems, pairs):
    classes = systems[0].classes
    count = np.bincount(systems[0].labels, minlength=len(classes))
    lines = []
    for earlier, later, _ in pairs:
        gains = later.class_accuracy - earlier.class_accuracy
        order = [index for index in np.argsort(-np.nan_to_num(gains), kind="stable") if gains[index] == gains[index]]
        told = [f"{classes[i]} {signed(gains[i])}" for i in order]
        won = [text for text, i in zip(told, order) if gains[i] > 0][:_ENDS]
        lost = [text for text, i in zip(told, order) if gains[i] < 0][::-1][:_ENDS]
        lines.append((f"{later.title} − {earlier.title}", ", ".join(won) or "none", ", ".join(lost) or "none"))
    rows = [
        (name, count[i], *(percent(system.class_accuracy[i], 4) if count[i] else "" for system in systems))
        for i, name in enumerate(classes)
    ]
    columns = ("class", "test_videos", *(system.title for system in systems))
    section = Section("Largest gains and losses, points", ("difference", "won", "lost"), tuple(lines))
    return Document("classes", "Classes", (section,), (columns, *rows))


def _videos(systems):
    """The videos that not all systems get right, or wrong, alike."""
    classes, rows = systems[0].classes, []
    for splits in zip(*(system.splits for system in systems)):
        right = np.stack([split.correct for split in splits])
        for row in np.flatnonzero(right.any(axis=0) & ~right.all(axis=0)):
            taken = [classes[split.best[row]] for split in splits]
            rows.append((splits[0].number, splits[0].names[row], classes[splits[0].labels[row]], *taken))
    tested, titles = len(systems[0].labels), [system.title for system in systems]
    line = (len(rows), tested, f"{percent(len(rows) / tested)} %")
    section = Section("Right for some systems, wrong for others", ("videos", "of", "share"), (line,))
    return Document("videos", "Videos that changed", (section,), (("split", "video", "class", *titles), *rows))


def comparison_figure(systems, pairs, draws=uncertainty.DRAWS, seed=0):
    """Accuracies and paired differences with their intervals; per class, what the last system gains over the first: Figure."""
    gains = systems[-1].class_accuracy - systems[0].class_accuracy
    shown = sorted(np.flatnonzero(gains == gains), key=lambda i: -abs(gains[i]))[:_BARS]
    shown = sorted(shown, key=lambda i: gains[i])
    with rc_context(STYLE):
        height = max(3.0, 1.6 + 0.17 * len(shown), 1.8 + 0.36 * (len(systems) + len(pairs)))
        figure = Figure(figsize=(11, height), layout="constrained")
        grid = figure.add_gridspec(2, 2, height_ratios=(len(systems) + 1, len(pairs) + 1), width_ratios=(1.1, 1))
        accuracy, paired, classes = (figure.add_subplot(place) for place in (grid[0, 0], grid[1, 0], grid[:, 1]))
        for row, system in enumerate(systems):
            _interval(accuracy, row, uncertainty.bootstrap(system.outcomes, draws, seed), COLOURS[row % len(COLOURS)])
        _rows(accuracy, [system.title for system in systems], "accuracy, % [95 %]")
        for row, (_, _, difference) in enumerate(pairs):
            _interval(paired, row, difference.points, _VERDICTS[difference.verdict])
        names = [f"{later.title}\n− {earlier.title}: {difference.verdict}" for earlier, later, difference in pairs]
        _rows(paired, names, "difference, points [95 %]")
        paired.axvline(0, color="#444444", lw=0.8)
        colours = [_VERDICTS[ABOVE] if gains[i] > 0 else _VERDICTS[BELOW] for i in shown]
        classes.barh(range(len(shown)), [100 * gains[i] for i in shown], color=colours)
        classes.axvline(0, color="#444444", lw=0.8)
        classes.set(xlabel="points", ylim=(-0.7, len(shown) - 0.3))
        classes.set_yticks(range(len(shown)), [systems[0].classes[i] for i in shown], fontsize=7)
        most = f": the {len(shown)} of {len(gains)} that change most" if len(shown) < len(gains) else ""
        classes.set_title(f"{systems[-1].title}\n− {systems[0].title}\nper class{most}", fontsize=8.5)
        return figure


def _interval(axes, row, interval, colour):
    value, ends = whiskers(interval)
    axes.errorbar(value, row, xerr=ends, fmt="o", color=colour, capsize=3)


def _rows(axes, names, label):
    axes.set(ylim=(len(names) - 0.4, -0.6), xlabel=label)
    axes.set_yticks(range(len(names)), names, fontsize=7.5)
    axes.grid(axis="x", color="#E4E4E4", lw=0.7)
