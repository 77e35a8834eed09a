"""``repro pictures``: the README's two pictures, drawn by code."""

from pathlib import Path

from repro.files import atomic_path
from repro.report import figures, pictures


def run(out="docs/pictures"):
    """Write ``network.png`` and ``clip.png`` into the folder ``out``."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for name, figure in (("network", pictures.network_figure()), ("clip", pictures.clip_figure())):
        with atomic_path(out / f"{name}.png") as temporary:
            figures.save(figure, temporary, full_colour=name == "clip")
        print(out / f"{name}.png")
