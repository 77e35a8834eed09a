"""The subcommands of ``repro``: what each does, takes and needs."""

import argparse
import textwrap

from repro import __version__

_PARTS = {
    "dataset": {"metavar": "NAME", "help": "an entry of `datasets` in the params"},
    "split": {"type": int, "metavar": "N", "help": "number of the split, from 1"},
    "system": {"metavar": "NAME", "help": "an entry of `systems` (for trajectories: of `idt`) in the params"},
}
_ONE = ("dataset", "split", "system")
_PLACE = "--dataset ucf101 --split 1 --system"


class Commands:
    """The parser, filled group by group. ``stages``: command -> (module under ``repro.stages``, what its ``run`` gets first:
    a ``run``, the ``params`` or nothing, section of the params that its system is an entry of)."""

    def __init__(self):
        self.parser = argparse.ArgumentParser(
            prog="repro",
            description="Spatiotemporal Residual Networks, reproduced from videos to the paper's tables.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            usage="repro [--params FILE] [--trace] COMMAND ...",
        )
        self.parser.add_argument("--version", action="version", version=f"repro {__version__}", help="print the version")
        self.parser.add_argument(
            "--params", metavar="FILE", help="settings of the run (default: params.yaml; for describe: params/paper.yaml)"
        )
        self.parser.add_argument("--trace", action="store_true", help="print the stack trace of an error")
        self._sub = self.parser.add_subparsers(dest="command", required=True, metavar="COMMAND", help=argparse.SUPPRESS)
        self.stages, self._lines = {}, ["commands; `repro COMMAND --help` lists the options of one:"]

    def group(self, title):
        self._lines += ["", f"{title}:"]

    def add(self, name, text, example, of=(), first="run", kind="systems"):
        """Add a command; ``of``: the parts of its Run that must be given. Returns its parser."""
        command = self._sub.add_parser(
            name,
            prog=f"repro {name}",
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"example:\n  repro {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for part in of:
            command.add_argument(f"--{part}", required=True, **_PARTS[part])
        if "split" in of:
            command.add_argument("--seed", type=int, metavar="N", help="training seed (default: the first of run.seeds)")
        self._lines += textwrap.wrap(f"{name:<15} {text}", 98, initial_indent="  ", subsequent_indent=" " * 18)
        self._lines.append(f"{'':18}$ repro {example}")
        self.stages[name] = (name.replace("-", "_"), first, kind)
        self.parser.epilog = "\n".join(self._lines)
        return command


def commands():
    """All of them."""
    commands = Commands()
    _add_data(commands)
    _add_systems(commands)
    _add_results(commands)
    _add_pipeline(commands)
    return commands


def _add_data(commands):
    commands.group("data")
    commands.add(
        "draw", "generate the videos and split lists of an embedded benchmark", "draw --dataset diagnostic-u", ["dataset"]
    )
    option = commands.add(
        "splits",
        "make split lists for your own folder <class>/<video>; clips of one group stay on one side of a split",
        "splits my/videos my/splits --seed 1",
        first=None,
    ).add_argument
    option("videos", help="folder <class>/<video>")
    option("lists", help="new folder for the split lists")
    option("--seed", type=int, default=0, metavar="N", help="seed of the random splits (default: 0)")
    option("--splits", type=int, default=3, metavar="N", help="number of splits, 1 to 3 (default: 3)")
    option("--test-fraction", type=float, default=0.3, metavar="X", help="share of groups for testing (default: 0.3)")
    text = r"its first parenthesis gives a file name's group, as in '^(.+) part\d+$' (default: UCF101's _gGG_cCC)"
    option("--group-pattern", metavar="REGEX", help=text)
    command = commands.add(
        "prepare",
        "import videos and split lists from archives or a folder, decode every frame and write the index",
        "--params params/ucf101.yaml prepare ucf101 --from ~/Downloads",
    )
    command.add_argument("dataset", nargs="?", help="an entry of `datasets` in the params (with --from: default all)")
    option = command.add_mutually_exclusive_group().add_argument
    option("--from", dest="archives", nargs="+", metavar="PLACE", help="archives, or a folder with the official ones")
    option("--from-local", dest="local", metavar="FOLDER", help="unpacked videos and split lists; they are linked, not copied")
    option("--download", nargs="*", metavar="URL", help="download archives first (default: those named in the params)")
    option = command.add_argument
    option("--splits", metavar="FOLDER", help="with --from-local: the split lists, if they are in another folder")
    option("--sha256", nargs="+", default=(), metavar="FILE=HEX", help="checksums that archives must have: UCF101.rar=9f86...")
    commands.add(
        "hold-out",
        "make a dataset from another one's training videos, a part of them held out, to choose settings without test videos",
        "--params params/jhmdb_rehearsal.yaml hold-out --dataset jhmdb-held-out",
        ["dataset"],
    )
    option = commands.add(
        "extract", "write one container of frames and optical flow per video", "extract --dataset diagnostic-u"
    ).add_argument
    option("--dataset", metavar="NAME", help="an entry of `datasets` in the params")
    option("--preview", metavar="CLIP", help="instead, draw frames and flow of one video or container as a PNG")
    option("--out", metavar="PNG", help="with --preview (default: <clip's stem>.png)")
    option("--pictures", metavar="FOLDER", help="with --dataset: import the authors' folders jpegs_256 and tvl1_flow from here")
    option = commands.add(
        "doctor",
        "check what a run needs (run), the index (data) or every container of frames and flow (flow)",
        "--params params/paper.yaml doctor run",
    ).add_argument
    option("what", choices=("run", "data", "flow"), help="run: what the profile needs; data: the index; flow: the containers")
    option("--dataset", metavar="NAME", help="for data and flow: an entry of `datasets` in the params")
    option("--from", dest="archives", nargs="+", metavar="PLACE", help="for run: where `repro prepare` will find the archives")


def _add_systems(commands):
    commands.group("networks")
    commands.add("train", "train one system on one split", f"train {_PLACE} st_resnet", _ONE)
    command = commands.add(
        "rehearse",
        "train a system and track its accuracy on held-out training videos, to choose schedules",
        "--params params/jhmdb_rehearsal.yaml rehearse --dataset jhmdb-held-out --split 1 --system motion",
        _ONE,
    )
    command.add_argument("--every", type=int, default=1, metavar="N", help="score them after every N passes (default: 1)")
    option = commands.add(
        "evaluate", "score the test videos of one split with one trained system", f"evaluate {_PLACE} st_resnet", _ONE
    ).add_argument
    text = "videos to score; train: for fusion by a trained SVM (default: test)"
    option("--subset", default="test", choices=("test", "train"), help=text)
    text = "another checkpoint of the same run, or an exported network (default: the checkpoint of `repro train`)"
    option("--checkpoint", metavar="FILE", help=text)
    option = commands.add(
        "predict",
        "print a video's five most probable classes and draw frames, flow, activation maps and scores over time",
        "predict clip.avi --checkpoint models/embedded/diagnostic-u/split1/seed0/st_resnet/checkpoint.pt",
        first="params",
    ).add_argument
    option("video", nargs="?", help="any video file; may also be the last argument")
    text = "checkpoint or exported network; the scores of several are averaged"
    option("--checkpoint", required=True, nargs="+", metavar="FILE", help=text)
    option("--out", metavar="PNG", help="the picture (default: <video's stem>.prediction.png)")
    option = commands.add(
        "describe", "print a network layer by layer; for ST-ResNet, Table 1 next to the paper's", "describe st_resnet_star"
    ).add_argument
    option("system", help="an entry of `systems` in the params")
    option = commands.add(
        "import-weights",
        "convert published weights into a file that records layout and input normalisation",
        "import-weights resnet50.pth weights/resnet50.safetensors --layout torchvision",
        first=None,
    ).add_argument
    option("source", help="MatConvNet .mat, open_nsfw.onnx, a state dict, or timm:NAME, which timm downloads")
    option("target", help=".safetensors file to write; its checksum goes beside it (.sha256)")
    layouts = ("caffe", "torchvision", "vgg16", "googlenet", "bn_inception", "timm", "i3d", "s3d")
    text = "for a state dict: whose names it uses and where its stride is (default: caffe)"
    option("--layout", default="caffe", choices=layouts, help=text)
    option("--mean", type=float, nargs=3, metavar="X", help="for a state dict: input mean, 0..255 (default: the layout's)")
    option("--std", type=float, nargs=3, metavar="X", help="for a state dict: divisor of the inputs (default: the layout's)")
    option("--bgr", action="store_true", help="the state dict expects BGR images, not RGB")
    option = commands.add(
        "import-model",
        "import a released network, classifier included, as the checkpoint of a system",
        f"import-model ucf101-split1.mat {_PLACE} st_resnet",
        _ONE,
    ).add_argument
    option("source", help="the authors' .mat")
    text = "class order of its classifier: as listed in the file, the dataset's, or the authors' for HMDB51 (default: file)"
    option("--order", default="file", choices=("file", "index", "authors-hmdb51"), help=text)
    text, example = "export a trained network to a safetensors file that evaluate and predict accept", "st_resnet.safetensors"
    place = "models/embedded/diagnostic-u/split1/seed0/st_resnet/checkpoint.pt"
    option = commands.add("export-model", text, f"export-model {place} {example}", first=None).add_argument
    option("checkpoint", help="checkpoint of `repro train` or `repro import-model`")
    option("target", help=".safetensors file to write")
    option("--half", action="store_true", help="16-bit floats: half the size, slightly different scores")
    commands.group("improved dense trajectories")
    place = "--dataset ucf101 --split 1 --system idt"
    example = "idt-features --dataset ucf101 --system idt"
    commands.add(
        "idt-features", "extract the improved dense trajectories of every video", example, ["dataset", "system"], kind="idt"
    )
    text = "fit PCA and Gaussian mixtures on the training videos of one split"
    commands.add("idt-codebook", text, f"idt-codebook {place}", _ONE, kind="idt")
    text, example = (
        "compute every video's Fisher vectors under the codebooks of all splits",
        "idt-fisher --dataset ucf101 --system idt",
    )
    commands.add("idt-fisher", text, example, ["dataset", "system"], kind="idt")
    text = "train a linear SVM per class on the Fisher vectors of one split and write a score file"
    commands.add("idt-scores", text, f"idt-scores {place}", _ONE, kind="idt")
    option = commands.add(
        "idt-text",
        "convert the text output of the improved-trajectories release to an array file (.npz), or back",
        "idt-text clip.txt.gz clip.npz --video videos/Run/clip.avi",
        first=None,
    ).add_argument
    option("source", help="array file (.npz) or text file of the release")
    option("target", help="file of the other kind to write")
    text = "its video <class>/<file>, if the source is text; the array file names it and is refused for any other"
    option("--video", metavar="FILE", help=text)
    option("--frames", type=int, metavar="N", help="frames of the video, if the source is text and the video is not at hand")
    option("--size", metavar="WxH", help="size of that video, such as 320x240")


def _add_results(commands):
    commands.group("scores, tables, pages")
    text, example = "fuse the score files of one split (late fusion)", "fuse --dataset diagnostic-u --split 1"
    commands.add("fuse", text, example, ["dataset", "split"])
    option = commands.add(
        "import-scores",
        "import class scores that others computed (npz or csv) as a system of one split",
        f"import-scores theirs.csv {_PLACE} theirs",
        _ONE,
        kind=None,
    ).add_argument
    option("source", help="npz or csv of videos x classes")
    option("--key", default="scores", metavar="NAME", help="name of the scores in an npz (default: scores)")
    option("--classes", metavar="LIST", help="text file with one class name per line, if the npz has none")
    option("--lists", metavar="FOLDER", help="the dataset's split lists, if it is not prepared")
    option = commands.add(
        "compare",
        "compare score files from any source: accuracies, paired differences, classes won and lost, videos that changed",
        "compare results/jhmdb/fused/jhmdb/split1/seed0/two_stream.npz theirs.csv --out compared",
        first=None,
    ).add_argument
    text = "npz or csv of videos x classes; a pattern with *: the files of one system, one per split"
    option("files", nargs="+", metavar="FILE", help=text)
    option("--out", metavar="FOLDER", help="also write tables (csv), the page and a picture to this folder")
    option("--key", default="scores", metavar="NAME", help="name of the scores in another project's npz (default: scores)")
    option("--classes", metavar="LIST", help="text file with one class name per line, if an npz has none")
    option = commands.add("report", "make tables and figures from score files and published numbers", "report").add_argument
    option("--readme", metavar="FILE", help="also put the results block into this README")
    option = commands.add(
        "verdicts",
        "judge each claim of the paper from the committed scores of all profiles (results/verdicts.md)",
        "verdicts --readme README.md",
        first=None,
    ).add_argument
    option("--readme", metavar="FILE", help="also put the table of verdicts into this README")
    option = commands.add(
        "explore",
        "write one offline page with the committed scores of all profiles: systems, classes, confusions, videos",
        "explore --out results/explore.html",
        first=None,
    ).add_argument
    option("--out", default="results/explore.html", metavar="FILE", help="output file (default: results/explore.html)")
    option = commands.add(
        "pictures", "draw the README's pictures: the network, and a clip with its flow", "pictures", first=None
    ).add_argument
    option("--out", default="docs/pictures", metavar="FOLDER", help="output folder (default: docs/pictures)")
    option = commands.add(
        "notebook", "execute one notebook on this profile's results and write it as HTML too", "notebook --name 04_table3"
    ).add_argument
    option("--name", required=True, metavar="NAME", help="file under notebooks/, without extension")
    text = "write executed notebooks, documents and tables as HTML pages that work offline"
    option = commands.add("site", text, "site", first=None).add_argument
    option("--out", default="site", metavar="FOLDER", help="output folder, replaced as a whole (default: site)")
    text = "score new videos with the networks in demo/ and print Table 3's column, in minutes; trains nothing"
    option = commands.add("demo", text, "demo", first=None).add_argument
    option("--out", default="work/demo", metavar="FOLDER", help="output folder, recreated (default: work/demo)")
    option("--keep", action="store_true", help="store its score files in demo/scores, after code or networks change")
    commands.add("where", "print where the outputs of a run are", "where")


def _add_pipeline(commands):
    commands.group("the pipeline")
    option = commands.add("use", "make a profile under params/ the one in use", "use ucf101", first=None).add_argument
    option("profile", metavar="PROFILE", help="file under params/, without its extension")
    commands.add("pipeline", "write the profile's dvc.yaml from its params", "pipeline")
    commands.add("jobs", "print how many training runs this machine takes in parallel, one per GPU; used by `make`", "jobs")
    option = commands.add("progress", "print how far `make repro` is; log in work/log", "progress").add_argument
    option("--begin", action="store_true", help="start counting stages; used by `make`")
    commands.add("code", "write the code versions that tell DVC which stages a code change makes stale", "code")
    option = commands.add(
        "locks",
        "check whether the current code, params and inputs made the committed results; exit status 0 only if so for all",
        "locks --profile embedded",
        first=None,
    ).add_argument
    option("--profile", metavar="NAME", help="profile under params/ (default: all that have results)")
    option("--prune", dest="prune_too", action="store_true", help="first remove stages that no params file asks for")
    text = "check this clone: environment, locks, tables made again, pages, figures; exit status 0 only if all is well"
    option = commands.add("verify", text, "verify --profile embedded", first=None).add_argument
    option("--profile", metavar="NAME", help="profile under params/ (default: all that have results, and what they share)")
    option = commands.add(
        "plan",
        "print what is left to run and what it will cost (hours, disk), from measured rates; runs nothing",
        "--params params/paper.yaml plan --cores 16 --gpu h100",
    ).add_argument
    option("--cores", type=int, metavar="N", help="CPU cores (default: this machine's)")
    option("--gpu", default="none", metavar="NAME", help="part of the name of a measured GPU, such as h100 (default: none)")
    option("--gpus", type=int, default=1, metavar="N", help="number of these GPUs working in parallel (default: 1)")
