"""The paper's test protocol: 25 frames as one clip and its mirror image, whole frames, scores before softmax."""

import numpy as np
import torch

from repro.clips.dataset import to_input

FRAMES = 25


def test_size(height, width, input_size):
    """Frame size fed to the network: each side clamped to input_size .. 2 * input_size (224..448; squeezes wide videos)."""
    return tuple(min(max(side, input_size), 2 * input_size) for side in (height, width))


@torch.inference_mode()
def score_video(model, clip, normalisation, input_size, device, context):
    """Class scores (streams, C) float32 of one test clip, fully convolutional in space and time.

    Logits are averaged over positions, time steps and the two passes (the clip and its horizontal flip); the streams stay
    apart as heads, their equal mean is the video's score (authors' code).
    """
    total = 0.0
    for flip in (False, True):
        inputs = {}
        for stream in model.spec.streams:
            planes = clip.rgb if stream == "appearance" else clip.flow
            norm = normalisation if stream == "appearance" else None
            size = test_size(planes.shape[1], planes.shape[2], input_size)
            inputs[stream] = to_input(planes.to(device), norm, flip, size)[None]  # (1, 25, C, H, W)
        with context:
            logits = model(inputs)  # stream -> (1, T', C)
        total = total + torch.stack([logits[s].float().mean((0, 1)) for s in model.spec.streams])
    return (total / 2).cpu().numpy().astype(np.float32)
