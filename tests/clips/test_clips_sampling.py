"""Frames of a clip: hand-computed cases in the authors' 1-based counting, and laws over every length of video."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.clips import sampling
from repro.clips.sampling import VideoOrder, flow_fields, is_short, training_centres, usable_centres

test_frames = sampling.test_centres  # under a name that pytest does not collect
test_frames.__test__ = False

lengths = st.integers(1, 400)
stacks = st.integers(1, 12)


@pytest.mark.parametrize("frames, first, last", [(12, 6, 7), (11, 6, 6), (100, 6, 95), (29, 6, 24)])
def test_usable_centres_are_6_to_N_minus_5_counted_from_1(frames, first, last):
    assert usable_centres(frames) == (first - 1, last - 1)


def test_a_stack_is_fields_t_minus_5_to_t_plus_4():
    assert flow_fields(20, 99).tolist() == list(range(15, 25))
    t = 6  # the first usable centre in 1-based counting: fields 1..10
    assert (flow_fields(t - 1, 99) + 1).tolist() == list(range(1, 11))


@given(lengths, stacks)
def test_stacks_of_usable_centres_lie_in_the_video(frames, flow_length):
    first, last = usable_centres(frames, flow_length)
    assert 0 <= first <= last < frames
    assert is_short(frames, flow_length) == (frames - 1 < flow_length)
    if not is_short(frames, flow_length):
        for centre in (first, last):
            fields = flow_fields(centre, frames - 1, flow_length)
            assert fields.tolist() == list(range(centre - flow_length // 2, centre - flow_length // 2 + flow_length))
            assert fields[0] >= 0 and fields[-1] <= frames - 2
        # and nothing usable is left out: one frame further and the stack would leave the video
        assert first - flow_length // 2 == 0
        assert last - flow_length // 2 + flow_length == frames - 1


@given(st.integers(1, 11), stacks)
def test_edge_fields_repeat_in_a_video_shorter_than_a_stack(frames, flow_length):
    centre = usable_centres(frames, flow_length)[0]
    fields = flow_fields(centre, frames - 1, flow_length)
    assert len(fields) == flow_length
    assert (np.diff(fields) >= 0).all() and (np.diff(fields) <= 1).all()
    assert fields.min() >= 0 and fields.max() <= max(frames - 2, 0)


@given(lengths, st.integers(1, 25), st.integers(1, 15), st.integers(0, 2**32 - 1))
def test_training_clips_obey_the_rule_at_any_length(frames, clip_length, stride, seed):
    centres, fallback = training_centres(frames, clip_length, stride, np.random.default_rng(seed))
    first, last = usable_centres(frames)
    assert len(centres) == clip_length and centres.min() >= first and centres.max() <= last
    assert fallback == ((last - first) // stride + 1 < clip_length)
    if fallback:  # spread evenly over the whole usable range
        assert centres[0] == first and (clip_length == 1 or centres[-1] == last)
        assert (np.abs(centres - np.linspace(first, last, clip_length)) <= 0.5).all()
    else:  # a window of the grid that starts at the first usable centre
        assert (np.diff(centres) == stride).all() and (centres[0] - first) % stride == 0


def test_every_window_of_the_grid_is_drawn_equally_often():
    rng = np.random.default_rng(0)  # N = 40: usable 5..34, stride 6: grid 5, 11, 17, 23, 29; three frames: three windows
    starts = Counter(int(training_centres(40, 3, 6, rng)[0][0]) for _ in range(3000))
    assert set(starts) == {5, 11, 17}
    assert max(abs(n - 1000) for n in starts.values()) < 120  # 4.6 standard deviations


def test_fallback_by_hand():
    # N = 25: usable 6..20 counted from 1; five frames 8 apart do not fit; spread: 6, 9.5 -> 10, 13, 16.5 -> 17, 20
    centres, fallback = training_centres(25, 5, 8, np.random.default_rng(0))
    assert fallback and (centres + 1).tolist() == [6, 10, 13, 17, 20]


@given(lengths, st.integers(1, 60), stacks)
def test_test_clips_obey_the_rule_at_any_length(frames, count, flow_length):
    centres = test_frames(frames, count, flow_length)
    first, last = usable_centres(frames, flow_length)
    available = last - first + 1
    assert len(centres) == count
    if available >= count:
        assert centres[0] == first and (count == 1 or centres[-1] == last)
        steps = np.diff(centres)
        assert (steps >= 1).all() and (count == 1 or np.ptp(steps) <= 1)
    else:
        rounds, rest = divmod(count, available)
        expected = list(range(first, last + 1)) * rounds + list(range(last - rest + 1, last + 1))
        assert centres.tolist() == expected  # the last ones again


def test_25_test_frames_by_hand():
    # N = 58: usable 6..53 counted from 1, spacing 47/24
    expected = [int(6 + 47 * k / 24 + 0.5) for k in range(25)]
    assert (test_frames(58) + 1).tolist() == expected and expected[0] == 6 and expected[-1] == 53
    # N = 30: usable 6..25, twenty centres, then the last five again
    assert (test_frames(30) + 1).tolist() == [*range(6, 26), 21, 22, 23, 24, 25]
    # N = 20: usable 6..15, ten centres, twice over, then the last five
    assert (test_frames(20) + 1).tolist() == [*range(6, 16), *range(6, 16), *range(11, 16)]
    assert test_frames(1).tolist() == [0] * 25


@given(st.integers(1, 60), st.integers(0, 9), st.integers(0, 3))
def test_every_video_is_met_once_per_pass(count, seed, passes):
    order = VideoOrder(count, seed)
    for number in range(passes + 1):
        assert sorted(order[number * count + i] for i in range(count)) == list(range(count))


def test_the_order_of_videos_is_a_function_of_the_place():
    order, again = VideoOrder(50, 7), VideoOrder(50, 7)
    straight = [order[i] for i in range(150)]
    places = np.random.default_rng(0).permutation(150)
    assert [again[int(i)] for i in places] == [straight[i] for i in places]
    assert straight[:50] != straight[50:100] and straight != [VideoOrder(50, 8)[i] for i in range(150)]
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        VideoOrder(0, 1)
