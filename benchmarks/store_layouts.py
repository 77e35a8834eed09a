"""Ways to keep frames and flow on disk: bytes, error against unquantised flow, and clips per second.

    python benchmarks/store_layouts.py CLIPS [--videos 8] [--reads 60]

CLIPS is a folder of videos. Writes results/benchmarks/store_layouts.json. Every layout serves the same requests through a PyTorch
DataLoader: 5 frames and, around each, 10 flow fields. "cold" drops the files from the page cache before every request.
"""

import argparse
import os
import random
import tempfile
import time
from pathlib import Path

import av
import cv2
import numpy as np
from result import processor, save, version
from torch.utils.data import DataLoader

from repro.flow import FlowSettings, dequantise, make_flow, quantise
from repro.video.decode import frames, gray, resize_short_side
from repro.video.store import ClipStore, StoreSettings, StoreWriter

TARGET = Path(__file__).resolve().parents[1] / "results" / "benchmarks" / "store_layouts.json"
QUALITIES = (60, 70, 75, 80, 85, 90, 95)


class LooseJpeg:
    """The authors' layout, read picture by picture; ``once`` reads a field asked for twice only once."""

    def __init__(self, folder, name, rgb, flow, once=False):
        self.folder, self.name, self.once = folder, name, once
        if not once:
            for kind, pictures in (("rgb", rgb[..., ::-1]), ("u", flow[..., 0]), ("v", flow[..., 1])):
                (folder / kind / name).mkdir(parents=True)
                for number, picture in enumerate(pictures):
                    cv2.imwrite(str(folder / kind / name / f"frame{number + 1:06d}.jpg"), picture)  # quality 95

    def files(self):
        return [path for kind in ("rgb", "u", "v") for path in (self.folder / kind / self.name).iterdir()]

    def read(self, centres, fields):
        def picture(kind, index, mode):
            return cv2.imread(str(self.folder / kind / self.name / f"frame{index + 1:06d}.jpg"), mode)

        rgb = np.stack([cv2.cvtColor(picture("rgb", t, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB) for t in centres])
        wanted = sorted(set(fields)) if self.once else fields
        flow = np.stack([np.stack([picture(kind, t, cv2.IMREAD_GRAYSCALE) for kind in "uv"], -1) for t in wanted])
        return rgb, flow[np.searchsorted(wanted, fields)] if self.once else flow


class Container:
    """Ours."""

    def __init__(self, folder, name, rgb, flow, settings):
        self.path = folder / f"{name}.{settings.rgb_quality}-{settings.flow_quality}.zip"
        with StoreWriter(self.path, settings, {}) as writer:
            for frame in rgb:
                writer.rgb(frame)
            for field in flow:
                writer.flow(field)
        self.store = ClipStore(self.path)

    def files(self):
        return [self.path]

    def read(self, centres, fields):
        return self.store.rgb(centres), self.store.flow(fields)


class Arrays:
    """One npz per video, compressed without loss."""

    def __init__(self, folder, name, rgb, flow):
        self.path = folder / f"{name}.npz"
        np.savez_compressed(self.path, rgb=rgb, flow=flow)

    def files(self):
        return [self.path]

    def read(self, centres, fields):
        with np.load(self.path) as arrays:
            return arrays["rgb"][centres], arrays["flow"][fields]


class Video:
    """Two H.264 files per video, a key frame every 10 pictures, u over v; decoded from the start to the last picture needed."""

    def __init__(self, folder, name, rgb, flow):
        self.paths = folder / f"{name}.rgb.mp4", folder / f"{name}.flow.mp4"
        stacked = np.concatenate([flow[..., 0], flow[..., 1]], 1)
        for path, pictures, source, quality in ((self.paths[0], rgb, "rgb24", "18"), (self.paths[1], stacked, "gray", "12")):
            with av.open(str(path), "w") as container:
                stream = container.add_stream("libx264", rate=30, options={"crf": quality, "g": "10", "threads": "1"})
                stream.height, stream.width = pictures.shape[1:3]
                stream.pix_fmt = "yuv420p"
                for picture in pictures:
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), source)
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())

    def files(self):
        return list(self.paths)

    def read(self, centres, fields):
        rgb = self._pictures(self.paths[0], centres, "rgb24")
        flow = self._pictures(self.paths[1], fields, "gray")
        height = rgb.shape[1]
        return rgb, np.stack([flow[:, :height], flow[:, height:]], -1)

    @staticmethod
    def _pictures(path, indices, kind):
        found = {}
        with av.open(str(path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for number, frame in enumerate(container.decode(video=0)):
                if number in indices:
                    found[number] = frame.to_ndarray(format=kind)
                if number == max(indices):
                    break
        return np.stack([found[index] for index in indices])


def content(folder, count):
    """Resized frames and unquantised TV-L1 flow of ``count`` videos spread over the folder."""
    clips = sorted(Path(folder).rglob("*.avi"))
    estimate = make_flow(FlowSettings(backend="tvl1_cpu"))
    for number in range(count):
        rgb = np.stack([resize_short_side(frame, 256) for frame in frames(clips[number * len(clips) // count])])
        grays = np.stack([gray(frame) for frame in rgb])
        yield f"video{number}", rgb, estimate(grays[:-1], grays[1:])


def requests(videos, count):
    """(video number, 5 centre frames, their 50 fields), stride 1..5 as far as the video allows."""
    rng = random.Random(0)
    for _ in range(count):
        number = rng.randrange(len(videos))
        last = len(videos[number][1]) - 1
        stride = rng.randint(1, 5)
        start = rng.randint(0, max(0, last - 4 * stride))
        centres = [min(start + k * stride, last) for k in range(5)]
        yield number, centres, [min(max(t + k, 0), last - 1) for t in centres for k in range(-5, 5)]


class Clips:
    """The requests as a Dataset: each is served by all layouts in turn, so that a busy machine slows all of them alike."""

    def __init__(self, layouts, wanted, cold):
        self.layouts, self.wanted, self.cold = layouts, wanted, cold

    def __len__(self):
        return len(self.wanted)

    def __getitem__(self, index):
        number, centres, fields = self.wanted[index]
        times = []
        for layouts in self.layouts.values():
            if self.cold:
                for path in layouts[number].files():
                    forget(path)
            wall, cpu = time.perf_counter(), time.process_time()
            layouts[number].read(centres, fields)
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
        return np.array(times)


def forget(path):
    """Ask the system to drop a file from its page cache."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def serve(layouts, wanted):
    """Per layout the median milliseconds per 5-frame clip, as wall and CPU time of the reading process, warm and cold."""
    rows = {kind: {} for kind in layouts}
    for name, cold in (("warm", False), ("cold", True)):
        times = np.stack([np.asarray(each) for each in DataLoader(Clips(layouts, wanted, cold), batch_size=None)])
        for kind, (wall, cpu) in zip(layouts, 1000 * np.median(times, 0)):
            rows[kind] |= {f"{name}_wall_ms": round(float(wall), 2), f"{name}_cpu_ms": round(float(cpu), 2)}
    first = next(iter(rows.values()))
    for row in rows.values():
        row |= {
            f"{each}_times_the_first": round(first[f"{each}_ms"] / row[f"{each}_ms"], 2)
            for each in ("warm_wall", "warm_cpu", "cold_wall", "cold_cpu")
        }
    return rows


def fidelity(layouts, videos):
    """Bytes per frame, and errors of what comes back."""
    size = sum(path.stat().st_size for layout in layouts for path in layout.files())
    flow_error, rgb_error = [], []
    for layout, (_, rgb, flow) in zip(layouts, videos):
        back = layout.read(list(range(len(rgb))), list(range(len(flow))))
        flow_error.append(np.abs(dequantise(back[1]) - flow).mean())
        rgb_error.append(np.square(back[0].astype(float) - rgb).mean())
    return {
        "bytes_per_frame": round(size / sum(len(rgb) for _, rgb, _ in videos)),
        "flow_mean_error_px": round(float(np.mean(flow_error)), 4),
        "rgb_psnr_db": round(float(10 * np.log10(255**2 / np.mean(rgb_error))), 2) if np.any(rgb_error) else "lossless",
    }


def flow_curve(videos):
    """Bytes per field and error for JPEG qualities: u and v apart (the authors'), and u over v."""
    curve = {}
    for quality in QUALITIES:
        sizes, errors = np.zeros(2), []
        for _, _, flow in videos:
            for field in flow[::4]:
                stored = quantise(field)
                codes = [[stored[..., 0], stored[..., 1]], [np.concatenate([stored[..., 0], stored[..., 1]])]]
                for which, pictures in enumerate(codes):
                    data = [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for picture in pictures]
                    sizes[which] += sum(len(each) for each in data)
                back = cv2.imdecode(data[0], cv2.IMREAD_GRAYSCALE)
                back = np.stack(np.split(back, 2), -1)
                errors.append([np.abs(dequantise(back) - field).mean(), np.abs(dequantise(stored) - field).mean()])
        count = len(errors)
        error = np.mean(errors, 0)
        curve[quality] = {
            "apart_bytes": round(sizes[0] / count),
            "stacked_bytes": round(sizes[1] / count),
            "error_px": round(float(error[0]), 4),
            "error_of_8_bits_alone_px": round(float(error[1]), 4),
        }
    return curve


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips")
    parser.add_argument("--videos", type=int, default=8)
    parser.add_argument("--reads", type=int, default=60)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    videos = list(content(arguments.clips, arguments.videos))
    wanted = list(requests(videos, arguments.reads))
    with tempfile.TemporaryDirectory(dir=".") as folder:
        folder = Path(folder)
        kinds = {
            "loose JPEG (authors' layout)": lambda *a: LooseJpeg(folder, *a),
            "loose JPEG, fields read once": lambda *a: LooseJpeg(folder, *a, once=True),
            "npz": lambda *a: Arrays(folder, *a),
            "H.264": lambda *a: Video(folder, *a),
        }
        for rgb_quality, flow_quality in ((95, 95), (90, 90), (90, 80), (85, 75)):
            settings = StoreSettings(rgb_quality=rgb_quality, flow_quality=flow_quality)
            kinds[f"container, quality {rgb_quality}/{flow_quality}"] = lambda *a, s=settings: Container(folder, *a, s)
        layouts = {kind: [make(name, rgb, quantise(flow)) for name, rgb, flow in videos] for kind, make in kinds.items()}
        rows = {kind: fidelity(each, videos) for kind, each in layouts.items()}  # reads everything: the caches are warm
        for kind, row in serve(layouts, wanted).items():
            rows[kind] |= row
            print(kind, rows[kind], flush=True)
    result = {
        "device": processor(),
        "script": version(__file__),
        "videos": len(videos),
        "size": "340x256",
        "flow": FlowSettings("tvl1_cpu").used(),
        "requests": len(wanted),
        "layouts": rows,
        "flow_jpeg": flow_curve(videos),
    }
    save(TARGET, result)


if __name__ == "__main__":
    main()
