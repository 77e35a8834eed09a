"""Frames of a clip: hand-computed cases in the authors' 1-based counting, and laws over every length of video."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repro.clips import sampling
from repro.clips.sampling import (
    ClassUniformOrder,
    VideoOrder,
    flow_fields,
    is_short,
    training_centres,
    usable_centres,
    video_order,
)

lengths = st.integers(1, 400)
stacks = st.integers(1, 12)
margins = st.tuples(st.integers(0, 8), st.integers(0, 8))
seeds = st.integers(0, 2**32 - 1)


def around(length):
    """Margin of a stack of ``length`` fields centred on its frame."""
    return length // 2, length - length // 2


def test_frames(frames, count=25, margin=(5, 5)):
    (centres,) = sampling.test_centres("strided", frames, count, margin)
    return centres


test_frames.__test__ = False


@pytest.mark.parametrize("frames, first, last", [(12, 6, 7), (11, 6, 6), (100, 6, 95), (29, 6, 24)])
def test_usable_centres_are_6_to_N_minus_5_counted_from_1(frames, first, last):
    assert usable_centres(frames) == (first - 1, last - 1)


def test_a_stack_is_fields_t_minus_5_to_t_plus_4():
    assert flow_fields(20, 99).tolist() == list(range(15, 25))
    t = 6  # the first usable centre in 1-based counting: fields 1..10
    assert (flow_fields(t - 1, 99) + 1).tolist() == list(range(1, 11))


@given(lengths, stacks)
def test_stacks_of_usable_centres_lie_in_the_video(frames, flow_length):
    margin = around(flow_length)
    first, last = usable_centres(frames, margin)
    assert 0 <= first <= last < frames
    assert is_short(frames, margin) == (frames - 1 < flow_length)
    if not is_short(frames, margin):
        for centre in (first, last):
            fields = flow_fields(centre, frames - 1, flow_length)
            assert fields.tolist() == list(range(centre - flow_length // 2, centre - flow_length // 2 + flow_length))
            assert fields[0] >= 0 and fields[-1] <= frames - 2
        # and nothing usable is left out: one frame further and the stack would leave the video
        assert first - flow_length // 2 == 0
        assert last - flow_length // 2 + flow_length == frames - 1


@given(st.integers(1, 11), stacks)
def test_edge_fields_repeat_in_a_video_shorter_than_a_stack(frames, flow_length):
    centre = usable_centres(frames, around(flow_length))[0]
    fields = flow_fields(centre, frames - 1, flow_length)
    assert len(fields) == flow_length
    assert (np.diff(fields) >= 0).all() and (np.diff(fields) <= 1).all()
    assert fields.min() >= 0 and fields.max() <= max(frames - 2, 0)


@given(lengths, st.integers(1, 25), st.integers(1, 15), st.integers(0, 2**32 - 1))
def test_training_clips_obey_the_rule_at_any_length(frames, clip_length, stride, seed):
    centres, fallback = training_centres("strided", frames, clip_length, stride, np.random.default_rng(seed))
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
    starts = Counter(int(training_centres("strided", 40, 3, 6, rng)[0][0]) for _ in range(3000))
    assert set(starts) == {5, 11, 17}
    assert max(abs(n - 1000) for n in starts.values()) < 120  # 4.6 standard deviations


def test_fallback_by_hand():
    # N = 25: usable 6..20 counted from 1; five frames 8 apart do not fit; spread: 6, 9.5 -> 10, 13, 16.5 -> 17, 20
    centres, fallback = training_centres("strided", 25, 5, 8, np.random.default_rng(0))
    assert fallback and (centres + 1).tolist() == [6, 10, 13, 17, 20]


@given(lengths, st.integers(1, 60), stacks)
def test_test_clips_obey_the_rule_at_any_length(frames, count, flow_length):
    centres = test_frames(frames, count, around(flow_length))
    first, last = usable_centres(frames, around(flow_length))
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


@given(lengths, st.integers(1, 25), st.integers(1, 15), seeds, margins, st.sampled_from(sampling.TRAINING))
def test_centres_of_any_kind_lie_in_the_usable_range(frames, count, stride, seed, margin, kind):
    first, last = usable_centres(frames, margin)
    centres, _ = training_centres(kind, frames, count, stride, np.random.default_rng(seed), margin)
    again, _ = training_centres(kind, frames, count, stride, np.random.default_rng(seed), margin)
    assert len(centres) == count and centres.min() >= first and centres.max() <= last
    assert centres.tolist() == again.tolist()


@given(lengths, st.integers(1, 25), st.integers(1, 15), margins, st.sampled_from(sampling.TEST), st.integers(1, 5))
def test_test_centres_of_any_kind_lie_in_the_usable_range(frames, count, stride, margin, kind, clips):
    first, last = usable_centres(frames, margin)
    found = sampling.test_centres(kind, frames, count, margin, stride, clips if kind == "dense" else 1)
    assert len(found) == (clips if kind == "dense" else 1)
    for centres in found:
        assert centres.min() >= first and centres.max() <= last
        assert len(centres) == count or kind == "whole"


@given(lengths, st.integers(1, 9), seeds, st.integers(0, 10), st.booleans())
def test_segments_hold_one_whole_snippet_each(frames, count, seed, length, start):
    margin = (0, length) if start else around(length)
    centres, fallback = training_centres("segments", frames, count, 1, np.random.default_rng(seed), margin)
    units = frames - 1 if length else frames  # fields where any are stacked
    share, snippet = units // count, max(length, 1)
    assert fallback == (share < snippet)
    if fallback:
        assert (centres == usable_centres(frames, margin)[0]).all()
    else:
        for k, centre in enumerate(centres - margin[0]):
            assert k * share <= centre and centre + snippet <= (k + 1) * share


def test_every_place_in_a_segment_is_drawn_equally_often():
    rng = np.random.default_rng(0)  # 32 frames, 31 fields, K = 3: segments of 10; five fields start at 0..5 of each
    drawn = np.stack([training_centres("segments", 32, 3, 1, rng, (0, 5))[0] for _ in range(3000)])
    for k in range(3):
        counts = Counter((drawn[:, k] - 10 * k).tolist())
        assert set(counts) == set(range(6)) and max(abs(n - 500) for n in counts.values()) < 100
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.06


@pytest.mark.parametrize(
    "frames, count, margin, expected",
    [
        (30, 3, (0, 0), [5, 15, 25]),  # segments of ten frames; (10 - 1 + 1) // 2
        (32, 3, (0, 5), [3, 13, 23]),  # 31 fields, ten each; (10 - 5 + 1) // 2
        (32, 3, (5, 5), [5, 15, 25]),  # ten fields fill a segment; their centre is their sixth frame
        (31, 4, (5, 5), [5, 5, 5, 5]),  # segments of seven are too short
    ],
)
def test_middles_of_segments_by_hand(frames, count, margin, expected):
    (centres,) = sampling.test_centres("segments", frames, count, margin)
    assert centres.tolist() == expected


def test_ticks_by_hand():
    # TSN's test: 150 fields, five to a stack: step floor(145 / 24) = 6 from the first frame on
    assert sampling.test_centres("ticks", 151, 25, (0, 5))[0].tolist() == [6 * k for k in range(25)]
    assert sampling.test_centres("ticks", 150, 25, (0, 0))[0].tolist() == [6 * k for k in range(25)]
    assert sampling.test_centres("ticks", 20, 25, (0, 5))[0].tolist() == [0] * 25
    assert sampling.test_centres("ticks", 20, 1, (0, 0))[0].tolist() == [0]


def test_dense_clips_start_anywhere_and_loop_where_too_short():
    rng = np.random.default_rng(0)  # twenty frames, four of them 5 apart: starts 0..4
    drawn = [training_centres("dense", 20, 4, 5, rng, (0, 0)) for _ in range(2000)]
    assert not any(fallback for _, fallback in drawn) and all((np.diff(c) == 5).all() for c, _ in drawn)
    starts = Counter(int(c[0]) for c, _ in drawn)
    assert set(starts) == set(range(5)) and max(abs(n - 400) for n in starts.values()) < 90
    centres, fallback = training_centres("dense", 7, 10, 2, rng, (0, 1))  # usable 0..5, as if the video went on from its start
    assert fallback and centres.tolist() == [0, 2, 4, 0, 2, 4, 0, 2, 4, 0]


def test_dense_test_clips_by_hand():
    views = sampling.test_centres("dense", 21, 4, (0, 0), 2, 3)  # four frames 2 apart span 6: starts 0, 7, 14
    assert [v.tolist() for v in views] == [[0, 2, 4, 6], [7, 9, 11, 13], [14, 16, 18, 20]]
    assert sampling.test_centres("dense", 21, 4, (0, 0), 2)[0].tolist() == [7, 9, 11, 13]
    assert [v.tolist() for v in sampling.test_centres("dense", 3, 4, (0, 0), 1, 2)] == [[0, 1, 2, 0]] * 2
    assert sampling.test_centres("whole", 12, 4, (1, 2), 3)[0].tolist() == [1, 4, 7]


def test_unknown_kinds_are_named():
    with pytest.raises(ValueError, match="sampling must be one of strided, segments, dense, got 'ticks'"):
        training_centres("ticks", 30, 3, 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="sampling must be one of .*, got 'random'"):
        sampling.test_centres("random", 30)
    with pytest.raises(ValueError, match="clips must be 1 where sampling is strided, got 2"):
        sampling.test_centres("strided", 30, clips=2)
    with pytest.raises(ValueError, match="order must be one of shuffled, class_uniform, got 'random'"):
        video_order("random", [0, 1], 0)


def test_the_class_uniform_order_is_uniform_over_classes_and_within_them():
    labels = [0] * 18 + [1, 1] + [7]
    order, again = ClassUniformOrder(labels, 3), video_order("class_uniform", labels, 3)
    drawn = [order[p] for p in range(3000)]
    assert drawn[::-1] == [again[p] for p in reversed(range(3000))]  # a function of the place
    assert drawn != [ClassUniformOrder(labels, 4)[p] for p in range(3000)]
    counts = Counter(labels[i] for i in drawn)
    assert max(abs(counts[label] - 1000) for label in (0, 1, 7)) < 120
    videos = Counter(drawn)
    assert len(videos) == 21 and abs(videos[18] - videos[19]) < 150
