"""Flow methods behind one interface.

tvl1        OpenCV's DualTVL1OpticalFlow (needs its contrib modules)
tvl1_cpu    the same algorithm, fused for one CPU core (Numba): several times as fast
tvl1_torch  the same algorithm for a batch of pairs on any PyTorch device
dis         OpenCV's dense inverse search: another, cheaper flow
farneback   OpenCV's polynomial expansion: another, cheaper flow
"""

from importlib.metadata import PackageNotFoundError, version

import cv2
import numpy as np

from repro.flow.settings import BACKENDS as BACKENDS
from repro.flow.settings import DIS_PRESETS, FlowSettings


def make_flow(settings: FlowSettings, device: str = "cpu", compiled: bool = False):
    """A function (first, second) -> flow in px, float32.

    Frames are grey uint8, (H, W) for one pair or (n, H, W) for n pairs; flow is (H, W, 2) or (n, H, W, 2).
    ``tvl1_torch`` alone computes the pairs together, on ``device``, and with ``compiled`` fuses its inner
    loop by torch.compile; the others take one pair after the other on the CPU. Raises ValueError where the
    backend is not available, and for other frames.
    """
    if settings.backend == "tvl1_torch":
        estimate = _tvl1_torch(settings, device, compiled)
    else:
        pair = {"tvl1": _tvl1, "tvl1_cpu": _tvl1_cpu, "dis": _dis, "farneback": _farneback}[settings.backend](settings)

        def estimate(first, second):
            return np.stack([pair(*frames) for frames in zip(first, second)])

    def flow(first, second):
        for name, frame in (("first", first), ("second", second)):
            if frame.dtype != np.uint8 or frame.ndim not in (2, 3) or frame.shape != first.shape or not len(frame):
                raise ValueError(
                    f"{name} must hold grey uint8 frames (H, W) or (n, H, W), both of one shape, "
                    f"got {frame.dtype} of shape {frame.shape}"
                )
        height, width = first.shape[-2:]
        fields = estimate(first.reshape(-1, height, width), second.reshape(-1, height, width))
        return np.asarray(fields, np.float32).reshape(*first.shape, 2)

    return flow


def versions(settings: FlowSettings) -> dict:
    """Name and version of the libraries that compute this flow."""
    libraries = {"opencv": cv2.__version__}
    extra = {"tvl1_torch": "torch", "tvl1_cpu": "numba"}.get(settings.backend)
    if extra:
        try:
            libraries[extra] = version(extra)
        except PackageNotFoundError:
            raise ValueError(f"backend {settings.backend!r} needs the package {extra}") from None
    return libraries


def _tvl1(s):
    if not hasattr(cv2, "optflow"):
        raise ValueError(
            "backend 'tvl1' needs OpenCV's contrib modules (opencv-contrib-python-headless); "
            "'tvl1_cpu' and 'tvl1_torch' are the same algorithm without them"
        )

    def estimate(first, second):
        # a new object per pair: after a small frame OpenCV's keeps its smaller number of scales
        method = cv2.optflow.DualTVL1OpticalFlow_create(
            tau=s.tau,
            lambda_=s.lambda_,
            theta=s.theta,
            nscales=s.scales,
            warps=s.warps,
            epsilon=s.epsilon,
            innnerIterations=s.inner,
            outerIterations=s.outer,
            scaleStep=s.scale_step,
            gamma=0.0,
            medianFiltering=s.median,
        )
        return method.calc(first, second, None)

    return estimate


def _tvl1_cpu(s):
    from repro.flow.tvl1_cpu import tvl1_cpu  # late: Numba takes a second to import

    return lambda first, second: tvl1_cpu(first, second, s)


def _tvl1_torch(s, device, compiled):
    import torch  # late: seconds to import, and the other methods do without

    from repro.flow.tvl1 import inner_step, tvl1

    step = torch.compile(inner_step, dynamic=True) if compiled else inner_step

    def estimate(first, second):
        frames = (torch.from_numpy(np.ascontiguousarray(each)).to(device) for each in (first, second))
        with torch.inference_mode():
            return tvl1(*frames, s, step).cpu().numpy()

    return estimate


def _dis(s):
    method = cv2.DISOpticalFlow_create(DIS_PRESETS[s.dis_preset])
    return lambda first, second: method.calc(first, second, None)


def _farneback(s):
    return lambda first, second: cv2.calcOpticalFlowFarneback(
        first, second, None, s.fb_scale, s.fb_levels, s.fb_window, s.fb_iterations, s.fb_neighbours, s.fb_sigma, 0
    )
