"""Batched TV-L1 optical flow in PyTorch, for any device, in two presets.

Source: Zach, Pock and Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow" (2007), in the
discretisation of Sanchez, Meinhardt-Llopis and Facciolo (IPOL 2013).

    frames -> pyramid -> for each level, coarse to fine:
        for each warp:  warp second frame and gradients by u
            for each outer iteration:  median filter of u
                for each inner iteration:  thresholding, u, dual variables p

The presets make the choices of two programs, so that both give their flow with their parameters:

* ``opencv``: DualTVL1OpticalFlow of today's OpenCV, on the CPU. A pyramid by bilinear resizing without blurring (by
  0.8: five levels reach 0.41 of the size), cubic warping with a = -0.75 and black outside, a median filter before
  every outer iteration, and a stop as soon as the mean squared update of a pair is at most epsilon^2.
* ``authors``: OpticalFlowDual_TVL1_GPU of OpenCV 2.4, which the authors' gpu_flow calls (modules/gpu/src/tvl1flow.cpp
  and cuda/tvl1flow.cu, pyr_down.cu, resize.cu). A pyramid by ``pyrDown`` (five levels reach 1/16), flow taken to the
  next level with pixel 0 on pixel 0, cubic warping with a = -0.5 where the border goes on outside, no median filter,
  and a stop that is asked for only at odd iterations: after a mean squared update of k epsilon^2 not before k
  iterations later. The check at odd iterations alone is in the last releases of 2.4; earlier ones ask every time.

In both: central differences of the second frame warped with it, dual variables kept from warp to warp.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from repro.flow.tvl1_parts import enlarge, halve, median, resize, shrink, warp

_SMALLEST = 16  # px; levels with a shorter side are left out
_FLAT = 1.1920929e-07  # squared gradients below this count as no texture
# Asking a GPU for a result stalls it: converged pairs are frozen at once, but leave the batch only so often
_PATIENCE = {"cpu": 1}


def tvl1(first: Tensor, second: Tensor, settings, step=None) -> Tensor:
    """Flow between two batches of grey frames (B, H, W), range 0..255, any dtype: (B, H, W, 2) float32 px on
    their device.

    settings: a FlowSettings; step: ``inner_step`` or a compiled version of it.
    """
    if first.shape != second.shape or first.ndim != 3:
        raise ValueError(f"expected two batches of one shape (B, H, W), got {tuple(first.shape)} and {tuple(second.shape)}")
    authors = settings.preset == "authors"
    levels = [(first.float(), second.float())]
    for _ in range(settings.scales - 1):
        smaller = tuple(halve(frames) if authors else shrink(frames, settings.scale_step) for frames in levels[-1])
        if min(smaller[0].shape[1:]) < _SMALLEST:
            break
        levels.append(smaller)
    flow = None
    for frames in reversed(levels):  # coarse to fine
        batch, height, width = frames[0].shape
        if flow is None:
            flow = first.new_zeros((batch, 2, height, width), dtype=torch.float32)
        else:
            flow = (enlarge if authors else resize)(flow, height, width) / settings.scale_step  # (B, 2, H, W)
        flow = _one_level(*frames, flow, settings, step or inner_step)
    return flow.permute(0, 2, 3, 1).contiguous()


def _one_level(first, second, flow, settings, step):
    """first, second (B, H, W); flow (B, 2, H, W), improved by ``settings.warps`` warps."""
    batch, height, width = first.shape
    padded = F.pad(second, (1, 1, 1, 1), mode="replicate")
    target = torch.stack(
        [second, (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2, (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2], 1
    )  # (B, 3, H, W): value, d/dx, d/dy
    authors = settings.preset == "authors"
    dual = flow.new_zeros((batch, 4, height, width))  # p11 p12 p21 p22; kept from warp to warp
    for _ in range(settings.warps):
        warped = warp(target, flow, -0.5, black=False) if authors else warp(target, flow)  # (B, 3, H, W)
        gradient = warped[:, 1:]
        rest = warped[:, 0] - (gradient * flow).sum(1) - first  # the residual less its part that depends on the flow
        inverse = 1 / gradient.square().sum(1).clamp(min=_FLAT)
        flow, dual = _minimise(flow, dual, gradient, rest, inverse, settings, step)
    return flow


def _minimise(flow, dual, gradient, rest, inverse, settings, step):
    """Alternate thresholding and dual steps; pairs leave the batch when they have converged."""
    limit = settings.epsilon**2 * flow.shape[2] * flow.shape[3]
    patience = _PATIENCE.get(flow.device.type, 8)
    finished_flow, finished_dual = torch.empty_like(flow), torch.empty_like(dual)
    index = torch.arange(len(flow), device=flow.device)
    live = torch.ones(len(flow), dtype=torch.bool, device=flow.device)
    rarely = settings.preset == "authors"
    wait = torch.zeros(len(flow), device=flow.device) if rarely else None  # summed squared update not yet waited for
    for iteration in range(settings.outer * settings.inner):
        if iteration % settings.inner == 0 and settings.median > 1:
            flow = torch.where(live[:, None, None, None], median(flow, settings.median), flow)
        flow, dual, live, wait = step(
            flow,
            dual,
            gradient,
            rest,
            inverse,
            live,
            wait,
            iteration % 2 == 1,
            settings.tau / settings.theta,
            settings.lambda_ * settings.theta,
            settings.theta,
            limit,
        )
        if iteration % patience == patience - 1 and not live.all():
            done = ~live
            finished_flow[index[done]], finished_dual[index[done]] = flow[done], dual[done]
            if done.all():
                return finished_flow, finished_dual
            index, flow, dual, gradient, rest, inverse = (each[live] for each in (index, flow, dual, gradient, rest, inverse))
            wait, live = wait if wait is None else wait[live], live[live]
    finished_flow[index], finished_dual[index] = flow, dual
    return finished_flow, finished_dual


def inner_step(flow, dual, gradient, rest, inverse, live, wait, odd, tau, threshold, theta, limit):
    """One inner iteration (IPOL article, Eq. 15-17): new (flow, dual, live, wait).

    flow, gradient (B, 2, H, W); dual (B, 4, H, W); rest, inverse (B, H, W); live (B,) bool: others stay as
    they are. wait (B,): None where every iteration asks whether to stop, or else it is asked at ``odd`` iterations
    where wait is below the limit.
    """
    mask = live[:, None, None, None]
    residual = rest + (gradient * flow).sum(1)  # (B, H, W)
    along = (-residual * inverse).clamp(-threshold, threshold)[:, None]
    x, y = dual[:, 0::2], dual[:, 1::2]  # (B, 2, H, W) each
    divergence = x - F.pad(x[..., :-1], (1, 0)) + y - F.pad(y[..., :-1, :], (0, 0, 1, 0))
    new = flow + along * gradient + theta * divergence
    change = (new - flow).square().sum((1, 2, 3))  # (B,)
    new = torch.where(mask, new, flow)
    right = F.pad(new[..., 1:] - new[..., :-1], (0, 1))
    down = F.pad(new[..., 1:, :] - new[..., :-1, :], (0, 0, 0, 1))
    shrinkage = 1 + tau * (right.square() + down.square()).sqrt()
    moved = torch.stack([(x + tau * right) / shrinkage, (y + tau * down) / shrinkage], 2).flatten(1, 2)  # (B, 4, H, W)
    if wait is None:
        live = live & (change > limit)
    elif odd:
        asked = wait < limit  # (B,)
        live = live & ~(asked & (change <= limit))
        wait = torch.where(asked, change, wait - limit)
    else:
        wait = wait - limit
    return new, torch.where(mask, moved, dual), live, wait
