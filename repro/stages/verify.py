"""``repro verify``: does this clone hold together? In minutes, without training, one line per question; exit status 1 where the
answer is no.

Nothing is written into the project: what is made again is made in a temporary folder and compared.
"""

import contextlib
import dataclasses
import importlib.metadata
import os
import tempfile
from pathlib import Path

from PIL import Image

from repro.errors import ReproError
from repro.params import load
from repro.profile import packages, pages
from repro.profile.blocks import versions_of
from repro.profile.check import check
from repro.profile.dvcfile import profiles
from repro.profile.layout import layout_of
from repro.profile.lock import CURRENT, OLDER_CODE, OTHER_INPUTS, OTHER_PARAMS, Lock
from repro.profile.run import Run
from repro.report.documents import write_tables
from repro.report.readme import VERDICTS, block_of
from repro.report.verdicts import readme_verdicts, verdicts
from repro.stages import demo
from repro.stages.report import metrics_text
from repro.stages.verdicts import RESULTS, sources

_NAMED = 3
_WITH_STAGE = (OLDER_CODE, OTHER_PARAMS, OTHER_INPUTS)
_DRAWN = ".png"  # pixels depend on fonts and libraries, so of figures the names are compared, and whether they open
README = Path("README.md")


@dataclasses.dataclass(frozen=True)
class Answer:
    """To one question: ``wrong`` lists what differs, empty where all is well; ``found`` says what was looked at."""

    what: str
    found: str
    wrong: tuple = ()

    def __str__(self):
        if not self.wrong:
            return f"OK    {self.what}: {self.found}"
        more = f" and {len(self.wrong) - _NAMED} more" if len(self.wrong) > _NAMED else ""
        return f"DIFF  {self.what}: {'; '.join(self.wrong[:_NAMED])}{more}"


def run(profile=None):
    """Print an Answer per question on every profile with score files, or on one; SystemExit with status 1 where one is wrong."""
    answers = []
    for answer in _answers(profiles(profile), whole=profile is None):
        print(answer, flush=True)
        answers.append(answer)
    if profile and not answers:
        raise ReproError("nothing to verify", path=Path("results", profile), why="it holds no score files")
    wrong = [answer.what for answer in answers if answer.wrong]
    if wrong:
        print(f"\n{len(wrong)} of {len(answers)} differ: {', '.join(wrong)}.")
        raise SystemExit(1)
    print(f"\nAll {len(answers)} are as they should be.")


def _answers(files, whole):
    if whole:
        yield from _guarded("environment", environment)
    for name, path in files.items():
        params = check(load(path))
        results = Run.of(params).paths.results
        if not (results / "scores").is_dir():
            continue
        yield from _guarded(f"{name} locks", locks, params)
        yield from _guarded(f"{name} tables and figures", tables, params)
        yield from _guarded(f"{name} pages", executed_pages, params)
    if whole:
        yield from _guarded("verdicts", all_verdicts)
        yield from _guarded("demo", demonstration)


def _guarded(what, question, *arguments):
    """The Answers to a question; one that cannot be asked is an answer too."""
    try:
        yield from question(*arguments)
    except ReproError as error:
        yield Answer(what, "", (str(error),))


def environment():
    """Packages: whether they fit, and how many are not the versions that the committed results were made with."""
    try:
        wanted = packages.wanted(("pipeline", "test"))
    except importlib.metadata.PackageNotFoundError:
        yield Answer("environment", "", ("repro itself is not installed",))
        return
    names = {each.name.lower().replace("_", "-") for each in wanted}
    direct = [each for each in packages.constrained() if each.name.lower().replace("_", "-") in names]
    others = packages.unfit(direct)
    told = f"; other versions than {packages.CONSTRAINTS} has: {', '.join(others)}" if others else ""
    yield Answer("environment", f"all {len(wanted)} packages fit{told}", tuple(packages.unfit(wanted)))


def locks(params):
    """Whether what the locks say is so, and whether today's code, params and inputs would give what is committed
    (`repro.profile.lock`)."""
    name, lock = Run.of(params).profile, Lock(params, versions_of(params))
    false = {each.path: f"{each.path}: {each.verdict}, {each.why}" for each in lock.false_claims()}
    yield Answer(f"{name} locks are true", "every file is as its stage made it", tuple(false.values()))
    found, causes = [each for each in lock.findings if each.path not in false], {}
    for each in found:
        if each.verdict != CURRENT:
            # "train.st_resnet of train_motion@...": the key that differs, and a stage
            cause, _, stage = each.why.partition(" of ") if each.verdict in _WITH_STAGE else ("", "", "")
            causes.setdefault((each.verdict, cause), []).append(stage)
    wrong = [
        f"{len(stages)} of {len(found)} results: {verdict}{f' ({cause} of {stages[0]})' if cause else ''}"
        for (verdict, cause), stages in causes.items()
    ]
    if wrong:
        wrong = [f"{', '.join(wrong)} (`repro locks --profile {name}` lists them)"]
    yield Answer(f"{name} locks", f"{len(found)} results are what today's code, params and inputs give", tuple(wrong))


def tables(params):
    """Tables made again from the score files: byte for byte the committed ones? Are all figures there, and do they open?"""
    name, results = Run.of(params).profile, Run.of(params).paths.results
    layout, kept = layout_of(params), results / "tables"
    with tempfile.TemporaryDirectory() as folder:
        made = {path.name: path.read_bytes() for path in write_tables(results, layout, Path(folder))}
    texts = {kept / file: content for file, content in made.items() if not file.endswith(_DRAWN)}
    texts[Run.of(params).paths.metrics] = metrics_text(results, layout).encode()
    wrong = [f"{path} {told}" for path, content in texts.items() if (told := _differs(path, content))]
    there = {path.name for path in kept.iterdir()} if kept.is_dir() else set()
    wrong += [f"{kept / file} is of no score file" for file in sorted(there - made.keys()) if not file.endswith(_DRAWN)]
    yield Answer(f"{name} tables", f"{len(texts)} files made again from the score files, byte for byte the same", tuple(wrong))
    drawn = {file for file in made if file.endswith(_DRAWN)}
    broken = [f"{kept / file} is missing" for file in sorted(drawn - there)]
    broken += [f"{kept / file} does not open" for file in sorted(drawn & there) if not _opens(kept / file)]
    broken += [f"{kept / file} is of no score file" for file in sorted(there - drawn) if file.endswith(_DRAWN)]
    yield Answer(f"{name} figures", f"{len(drawn)} files, complete", tuple(broken))


def _differs(path, content):
    """What is wrong with a file that should have ``content``; empty where it has."""
    if not path.is_file():
        return "is missing"
    return "" if path.read_bytes() == content else "differs"


def _opens(path):
    try:
        with Image.open(path) as picture:
            picture.load()
        return True
    except (OSError, SyntaxError):  # Pillow's words for damage
        return False


def executed_pages(params):
    """Whether every page that the profile lists was executed, and from its notebook as it is."""
    run = Run.of(params)
    listed, folder, homes = run.fanned_out.notebooks, run.paths.results / "notebooks", pages.homes()
    wrong = []
    for name in listed:
        page, source = folder / f"{name}.ipynb", pages.FOLDER / f"{name}.ipynb"
        if not page.is_file():
            wrong.append(f"{page} is missing")
        elif not pages.is_its_notebook(page, source, run.profile, listed, homes):
            wrong.append(f"{page} was made by an older notebook")
    if listed:
        yield Answer(f"{run.profile} pages", f"{len(listed)}, each executed from its notebook as it is", tuple(wrong))


def all_verdicts():
    """The table of verdicts, from the score files of all profiles, and its copy in the README."""
    found = sources()
    document = verdicts(found)
    texts = {RESULTS / "verdicts.md": document.markdown(), RESULTS / "verdicts.csv": document.csv()}
    wrong = [f"{path} {told}" for path, text in texts.items() if (told := _differs(path, text.encode()))]
    if block_of(README, VERDICTS) != readme_verdicts(found, RESULTS.as_posix()).strip():
        wrong.append(f"{README}: its table of verdicts differs")
    yield Answer("verdicts", f"results/verdicts.* and {README}, judged again from the score files", tuple(wrong))


def demonstration():
    """Score files by the networks in ``demo/``, on videos drawn now: byte for byte the kept ones?"""
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w", encoding="utf-8") as nowhere:
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            found = demo.made(Path(folder) / "demo")
    wrong = tuple(f"{each.system}: {each.told}" for each in found if not each.same)
    yield Answer("demo", f"{len(found)} score files by the kept networks, byte for byte the same", wrong)
