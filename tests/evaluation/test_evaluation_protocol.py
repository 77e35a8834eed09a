"""The test protocols against loops over frames, flips, positions and torchvision's crops."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from networks import Spec, build_model
from torchvision.transforms import functional as torchvision_crops

from repro.clips.dataset import Clip
from repro.clips.modality import modality_of
from repro.evaluation import protocol
from repro.evaluation.settings import VIEWS, EvaluationSettings

NORM = SimpleNamespace(mean=(100.0, 110.0, 120.0), std=(60.0, 50.0, 40.0), bgr=False)
STREAMS = {"appearance": modality_of("rgb", "test"), "motion": modality_of({"modality": "flow", "length": 2}, "test")}
test_size = protocol.test_size
test_size.__test__ = False


def clip(frames=25, height=70, width=103, length=2):
    rng = np.random.default_rng(0)
    rgb, flow = (torch.from_numpy(rng.integers(0, 256, (frames, height, width, c), np.uint8)) for c in (3, 2 * length))
    return Clip({"appearance": rgb, "motion": flow}, 0, "video")


def network(**switches):
    torch.manual_seed(0)
    spec = Spec(blocks=(2, 2, 2, 2), width=2, flow_length=2, pool_size=2, **switches)
    return build_model(spec, 5).eval()


def score(model, video, size=64, **settings):
    context, device = contextlib.nullcontext(), torch.device("cpu")
    return protocol.score_video(
        model, [video], STREAMS, {"appearance": NORM}, size, device, context, EvaluationSettings(**settings)
    )


def to_input(planes, stream, flip):
    return STREAMS[stream].to_input(planes, NORM if stream == "appearance" else None, flip)


@pytest.mark.parametrize(
    "height, width, expected",
    [
        (256, 340, (256, 340)),
        (256, 256, (256, 256)),
        (200, 340, (224, 340)),
        (256, 700, (256, 448)),
        (100, 900, (224, 448)),
        (448, 224, (448, 224)),
    ],
)
def test_each_side_is_clamped_to_224_to_448(height, width, expected):
    assert test_size(height, width, 224) == expected


def test_sides_follow_the_input_size():
    assert test_size(74, 98, 64) == (74, 98) and test_size(30, 300, 64) == (64, 128)


def test_scores_are_the_mean_over_frames_flips_and_positions():
    model, video = network(), clip()
    found = score(model, video)
    assert found.shape == (2, 5) and found.dtype == np.float32
    for row, stream in enumerate(("appearance", "motion")):
        part, planes = getattr(model, stream), video.planes[stream]
        outputs = []
        with torch.inference_mode():
            for flip in (False, True):
                for frame in planes:  # each frame by itself: the network without surgery knows no time
                    x = part.stem(to_input(frame[None], stream, flip))
                    for stage in (2, 3, 4, 5):
                        for block in part.stage(stage):
                            x = block(x, x, 1).relu()
                    assert x.shape[2] >= 2 and x.shape[3] > 2
                    for i in range(x.shape[2] - 1):
                        for j in range(x.shape[3] - 1):
                            outputs.append(part.fc(x[0, :, i : i + 2, j : j + 2].mean((1, 2))).numpy())
        np.testing.assert_allclose(found[row], np.mean(outputs, axis=0), rtol=1e-4, atol=1e-5)


class Recorder:
    """Stands for a network: remembers its inputs and answers with given logits."""

    def __init__(self, *answers):
        self.heads, self.answers, self.inputs = ("appearance", "motion"), list(answers), []

    def __call__(self, inputs, dataset):
        self.inputs.append(inputs)
        return self.answers.pop(0)


def test_time_steps_and_passes_are_averaged_before_any_softmax():
    first = {"appearance": torch.tensor([[[1.0, 5.0], [3.0, 1.0]]]), "motion": torch.tensor([[[0.0, 9.0], [2.0, 3.0]]])}
    second = {"appearance": torch.tensor([[[4.0, 0.0], [4.0, 2.0]]]), "motion": torch.tensor([[[8.0, 1.0], [2.0, 3.0]]])}
    model = Recorder(first, second)
    found = score(model, clip())
    np.testing.assert_allclose(found, [[(2 + 4) / 2, (3 + 1) / 2], [(1 + 5) / 2, (6 + 2) / 2]])
    straight, flipped = model.inputs
    assert straight["appearance"].shape == (1, 25, 3, 70, 103) and straight["motion"].shape == (1, 25, 4, 70, 103)
    torch.testing.assert_close(flipped["appearance"], straight["appearance"].flip(-1))
    torch.testing.assert_close(flipped["motion"][:, :, 1::2], straight["motion"][:, :, 1::2].flip(-1))
    torch.testing.assert_close(flipped["motion"][:, :, 0::2], -1 - straight["motion"][:, :, 0::2].flip(-1))  # 255 - u


def test_wide_videos_are_squeezed():
    model = Recorder(*[{s: torch.zeros(1, 25, 2) for s in ("appearance", "motion")}] * 2)
    score(model, clip(height=50, width=300))
    assert model.inputs[0]["appearance"].shape[-2:] == (64, 128)


def test_the_starred_network_sees_25_frames_at_once():
    model = network(temporal="average", injection="add", temporal_pool="max")
    steps = []
    model.register_forward_hook(lambda _, __, out: steps.append({name: y.shape for name, y in out.items()}))
    assert np.isfinite(score(model, clip())).all()
    assert steps == [{"appearance": (1, 11, 5), "motion": (1, 11, 5)}] * 2


@pytest.mark.parametrize("kind", VIEWS)
def test_chunks_change_the_scores_by_rounding_alone(kind):
    model, video = network(temporal="average", injection="add", temporal_pool="max"), clip(height=64, width=70)
    whole = score(model, video, protocol=kind)
    longest = []
    for stream in (model.appearance, model.motion):
        stream.conv1.register_forward_hook(lambda _, args, out: longest.append(len(args[0])))
    np.testing.assert_allclose(score(model, video, protocol=kind, frames_per_chunk=7), whole, rtol=1e-5, atol=1e-6)
    assert max(longest) == 7


def ten_crops(planes, side):
    """torchvision's ten crops of (T, h, w, C) bytes, each (T, C, side, side) in float."""
    return [crop.float() for crop in torchvision_crops.ten_crop(planes.permute(0, 3, 1, 2), side)]


def test_ten_crops_are_torchvisions_and_a_mirrored_u_is_negated():
    video, answers = clip(), []
    model = Recorder(*[{s: torch.full((1, 25, 2), float(k)) for s in ("appearance", "motion")} for k in range(10)])
    found = score(model, video, protocol="crops10")
    np.testing.assert_allclose(found, np.full((2, 2), 4.5))  # the mean over crops of what the network said
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (NORM.mean, NORM.std))
    for number, (rgb, flow) in enumerate(zip(ten_crops(video.planes["appearance"], 64), ten_crops(video.planes["motion"], 64))):
        if number >= 5:  # torchvision knows no flow: in its five mirrored crops u keeps its sign
            flow[:, 0::2] = 255 - flow[:, 0::2]
        answers.append(model.inputs[number])
        torch.testing.assert_close(answers[-1]["appearance"][0], (rgb - mean) / std)
        assert torch.equal(answers[-1]["motion"][0], flow - 128)
    assert len(model.inputs) == 10


def test_every_protocol_has_views_of_its_own():
    """A name under VIEWS that `views` does not know would be scored as another one."""
    found = {name: tuple(protocol.views(name, 70, 103, 64)) for name in VIEWS}
    assert len(set(found.values())) == len(VIEWS) and all(found.values())


def test_ten_crops_are_scored_before_any_softmax():
    model, video = network(temporal="average", injection="add"), clip(frames=6, height=66, width=75)
    outputs = []
    with torch.inference_mode():
        for flip in (False, True):
            rgb, flow = (to_input(video.planes[stream], stream, flip) for stream in STREAMS)
            crops = [torchvision_crops.five_crop(planes, 64) for planes in (rgb, flow)]
            outputs += [model({"appearance": a[None], "motion": m[None]}) for a, m in zip(*crops)]
    for row, stream in enumerate(("appearance", "motion")):
        expected = np.mean([y[stream].numpy() for y in outputs], axis=(0, 1, 2))
        np.testing.assert_allclose(score(model, video, protocol="crops10")[row], expected, rtol=1e-4, atol=1e-6)


def test_impossible_settings_are_told():
    with pytest.raises(ValueError, match="protocol must be one of full, .*, got 'crops01'; did you mean crops10"):
        EvaluationSettings("crops01")
    with pytest.raises(ValueError, match="frames_per_chunk must be at least 1, got 0"):
        EvaluationSettings(frames_per_chunk=0)
