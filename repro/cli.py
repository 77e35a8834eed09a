"""The console script ``repro``: arguments to calls, nothing else."""

import argparse
import importlib
import os
import sys

from repro import __version__
from repro.errors import ReproError


def _parser():
    parser = argparse.ArgumentParser(
        prog="repro", description="Spatiotemporal Residual Networks, reproduced: videos in, the paper's tables out."
    )
    parser.add_argument("--version", action="version", version=f"repro {__version__}")
    parser.add_argument("--params", help="settings of the run (default: params.yaml; for describe params/paper.yaml)")
    parser.add_argument("--trace", action="store_true", help="print the stack trace of an error")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def stage(name, text, *arguments):
        command = commands.add_parser(name, help=text, description=text)
        for argument in arguments:
            command.add_argument(f"--{argument}", required=True, **({"type": int} if argument == "split" else {}))
        if "split" in arguments:
            command.add_argument("--seed", type=int, help="of training (default: the first of run.seeds)")
        return command

    stage("draw", "draw the videos and split lists of an embedded benchmark", "dataset")
    splits = stage("splits", "split lists for a folder <class>/<video> of one's own: groups of clips are never divided")
    splits.add_argument("videos", help="folder <class>/<video>")
    splits.add_argument("lists", help="new folder for the lists")
    splits.add_argument("--seed", type=int, default=0)
    splits.add_argument("--splits", type=int, default=3, help="how many, 1 to 3 (default: 3)")
    splits.add_argument("--test-fraction", type=float, default=0.3, help="of each class's groups (default: 0.3)")
    splits.add_argument("--group-pattern", metavar="REGEX", help="its first parenthesis is a name's group (default: _gGG_cCC)")
    prepare = stage("prepare", "videos and split lists from archives or a folder, and their index: every frame decoded")
    prepare.add_argument("dataset", help="a name under `datasets` in the params")
    source = prepare.add_mutually_exclusive_group()
    source.add_argument("--from", dest="archives", nargs="+", metavar="PLACE", help="archives, or a folder of the official ones")
    source.add_argument("--from-local", dest="local", metavar="FOLDER", help="unpacked videos and split lists, to be linked to")
    source.add_argument("--download", nargs="*", metavar="URL", help="fetch archives first (default: those that the params name)")
    prepare.add_argument("--splits", metavar="FOLDER", help="with --from-local: the split lists, if they lie elsewhere")
    prepare.add_argument("--sha256", nargs="+", default=(), metavar="FILE=HEX", help="checksums that archives must have")
    extract = stage("extract", "one container of frames and optical flow per video")
    what = extract.add_mutually_exclusive_group(required=True)
    what.add_argument("--dataset")
    what.add_argument("--preview", metavar="CLIP", help="instead: frames and flow of a video or a container as a PNG")
    extract.add_argument("--out", metavar="PNG", help="with --preview (default: <clip's stem>.png)")
    extract.add_argument("--pictures", metavar="FOLDER", help="with --dataset: import the authors' jpegs_256 and tvl1_flow")
    stage("train", "train one system on one split", "dataset", "split", "system")
    evaluate = stage("evaluate", "score the test videos of one split with one trained system", "dataset", "split", "system")
    evaluate.add_argument("--subset", default="test", choices=("test", "train"), help="train: for fusion by a trained SVM")
    stage("idt-features", "improved dense trajectories of every video", "dataset", "system")
    stage("idt-codebook", "PCA and Gaussian mixtures from the training videos of one split", "dataset", "split", "system")
    stage("idt-scores", "Fisher vectors and linear SVM of one split into a score file", "dataset", "split", "system")
    text = stage("idt-text", "the improved-trajectories release's text from and to an array file (.npz)")
    text.add_argument("source")
    text.add_argument("target")
    text.add_argument("--frames", type=int, help="of the video, where the source is text")
    text.add_argument("--size", help="of the video, where the source is text, such as 320x240")
    foreign = stage("import-scores", "class scores of others, npz or csv, as a system of one split", "dataset", "split", "system")
    foreign.add_argument("source")
    foreign.add_argument("--key", default="scores", help="the scores' array in an npz (default: scores)")
    foreign.add_argument("--classes", metavar="LIST", help="text file, one class name a line, where the npz has none")
    foreign.add_argument("--lists", metavar="FOLDER", help="the dataset's split lists, where it is not prepared")
    stage("fuse", "late fusion of the score files of one split", "dataset", "split")
    doctor = stage("doctor", "check the index (data) or every container of frames and flow (flow)", "dataset")
    doctor.add_argument("what", choices=("data", "flow"))
    describe = stage("describe", "Table 1 of a system's network, measured, beside the paper's; --params: of another profile")
    describe.add_argument("system")
    weights = stage("import-weights", "foreign weights into a file that says its layout and input normalisation")
    weights.add_argument("source", help="MatConvNet .mat, open_nsfw.onnx, or a state dict in torchvision's names")
    weights.add_argument("target", help=".safetensors file to write")
    weights.add_argument("--layout", default="caffe", choices=("caffe", "torchvision"), help="of a state dict: where it strides")
    weights.add_argument("--mean", type=float, nargs=3, help="of a state dict: input mean, 0..255 (default: the layout's)")
    weights.add_argument("--std", type=float, nargs=3, help="of a state dict: what inputs are divided by (default: as usual)")
    weights.add_argument("--bgr", action="store_true", help="a state dict that takes blue first")
    report = stage("report", "score files and published numbers into tables and figures")
    report.add_argument("--readme", help="also put the results block into this README")
    predict = stage("predict", "a video's five most probable classes; a picture: frames, flow, activation maps, scores over time")
    predict.add_argument("video")
    predict.add_argument("--checkpoint", required=True, nargs="+", help="of `repro train`; several are fused late")
    predict.add_argument("--out", metavar="PNG", help="the picture (default: <video's stem>.prediction.png)")
    stage("notebook", "execute one notebook on this profile's results, with an HTML page beside it", "name")
    plan = stage("plan", "what is left to run, and what it takes by measured rates: hours, disk; runs nothing")
    plan.add_argument("--cores", type=int, help="CPU cores (default: this machine's)")
    plan.add_argument("--gpu", default="none", help="part of the name of a GPU that was measured, such as h100 (default: none)")
    plan.add_argument("--gpus", type=int, default=1, help="how many of them work side by side (default: 1)")
    stage("where", "print where the outputs of a run lie")
    return parser


def _preview(arguments):
    """The module behind ``repro extract``; takes the other one's options out of ``arguments``."""
    module, others = ("preview", ("dataset", "pictures")) if arguments["preview"] else ("extract", ("preview", "out"))
    for name in others:
        if arguments.pop(name):
            raise ReproError(f"--{name} does not go with --{'preview' if module == 'preview' else 'dataset'}")
    return module


def main(argv=None):
    """Run one command; bad input is one line on stderr and exit status 2."""
    arguments = vars(_parser().parse_args(argv))
    command, trace, params_path = (arguments.pop(name) for name in ("command", "trace", "params"))
    params_path = params_path or ("params/paper.yaml" if command == "describe" else "params.yaml")
    try:
        from repro.engine.processes import exit_with_parent
        from repro.params import load
        from repro.stages.profile import check

        if "DVC_STAGE" in os.environ:  # a killed DVC must not leave this process writing beside its successor
            exit_with_parent()
        module = _preview(arguments) if command == "extract" else command.replace("-", "_")
        importlib.import_module(f"repro.stages.{module}").run(check(load(params_path)), **arguments)
    except ReproError as error:
        if trace:
            raise
        print(f"repro {command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"repro {command}: stopped; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
