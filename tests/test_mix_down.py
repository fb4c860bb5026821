"""Of channels one: their mean, or one of them where they cancel."""

from __future__ import annotations

import numpy as np
import pytest

from mix2midi.audio.blocks import mix_down

RATE_HZ = 44100


@pytest.mark.parametrize("chunk", [1152, 65536, 200_000])
def test_a_passage_whose_channels_cancel_is_heard_whatever_the_chunks(chunk: int) -> None:
    left = np.sin(np.arange(5 * RATE_HZ) * 0.02).astype(np.float32)
    right = np.where(np.arange(len(left)) < 3 * RATE_HZ, -left, left)
    stereo = np.stack([left, right])
    chunks = (stereo[:, start : start + chunk] for start in range(0, len(left), chunk))
    mono = np.concatenate(list(mix_down(chunks, RATE_HZ)), axis=1)
    np.testing.assert_allclose(mono[0], left, atol=1e-6)


def test_a_passage_that_begins_to_cancel_is_heard_from_its_start() -> None:
    left = np.sin(np.arange(4 * RATE_HZ) * 0.02).astype(np.float32)
    right = np.where(np.arange(len(left)) < 2 * RATE_HZ, left, -left)
    mono = np.concatenate(list(mix_down(iter([np.stack([left, right])]), RATE_HZ)), axis=1)[0]
    faded = slice(round(2.02 * RATE_HZ), None)
    np.testing.assert_allclose(mono[faded], left[faded], atol=1e-6)


def test_where_channels_begin_to_cancel_there_is_no_step() -> None:
    tone = np.sin(np.arange(4 * RATE_HZ) * 0.002).astype(np.float32) * 0.5
    kick = np.zeros_like(tone)
    kick[2 * RATE_HZ + 100 : 2 * RATE_HZ + 2000] = 0.5  # in one second of four
    mono = np.concatenate(list(mix_down(iter([np.stack([tone + kick, kick - tone])]), RATE_HZ)), axis=1)[0]
    assert np.abs(np.diff(mono[int(2.1 * RATE_HZ) :])).max() < 0.003
    assert np.abs(np.diff(mono[: 2 * RATE_HZ])).max() < 0.003
