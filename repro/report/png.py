"""PNG pictures of few bytes: a palette of 256 colours does for charts, and a third of the bytes are left."""

import base64
import io

from PIL import Image

_COLOURS = 256


def small(png):
    """A PNG (bytes) with a palette and without metadata: equal pixels give equal bytes.

    One that has a palette already, or that one sees through, is returned as it is.
    """
    picture = Image.open(io.BytesIO(png))
    if picture.mode not in ("RGB", "RGBA") or picture.mode == "RGBA" and picture.getextrema()[3][0] < 255:
        return png
    # the palette is fitted by k-means after the median cut; dithering would blur lines and cost bytes
    reduced = picture.convert("RGB").quantize(_COLOURS, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
    written = io.BytesIO()
    reduced.save(written, "PNG", optimize=True)
    return min(written.getvalue(), png, key=len)


def shrink_outputs(book):
    """Give every PNG among the outputs of a notebook few bytes, in place."""
    for cell in book.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = base64.b64encode(small(base64.b64decode(output.data["image/png"]))).decode()
