"""Preview strips and contact sheets."""

import numpy as np
import pytest

from repro.flow import quantise
from repro.flow.pictures import contact_sheet, strip, strips


def field(u, v, height=30, width=40):
    return quantise(np.full((height, width, 2), (u, v), np.float32))


def test_strip():
    frame = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    stored = field(5, 0)
    picture = strip(frame, stored, 20)
    assert picture.shape == (30, 4 * 40 + 3 * 2, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture[:, :40], frame)
    assert np.all(picture[:, 40:42] == 255)
    red = picture[10, 60]
    assert red[0] == 255 and red[1] < 40 and red[2] < 40  # to the right
    assert np.all(picture[:, 84:124] == stored[0, 0, 0]) and np.all(picture[:, 126:] == 128)
    assert strips(np.stack([frame] * 3), np.stack([stored] * 3), 20).shape == (3 * 30 + 2 * 2, 166, 3)


def test_still_is_white():
    assert np.all(strip(np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 2), 128, np.uint8), 20)[:, 10:18] == 255)


def test_contact_sheet():
    sheet = contact_sheet([field(5, 0), field(0, 5, 60, 40), field(-5, 0)], 20, columns=2, width=80)
    assert sheet.shape == (2 * 60 + 2, 2 * 80 + 2, 3)
    assert tuple(sheet[30, 100]) == tuple(sheet[5, 130])  # first field fills its cell, to the right of the wheel
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([], 20)
