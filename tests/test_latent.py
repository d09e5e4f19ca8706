"""The latent: numpy's Philox, a stream for each seed and row (cli.md, point 18)."""

from __future__ import annotations

import numpy as np

from irncli.latent import latent_rows

MEAN = np.array([0.5, -1.0, 0.0], np.float32)
STD = np.array([1.0, 0.25, 2.0], np.float32)


def test_a_row_is_the_philox_stream_of_its_seed_and_place() -> None:
    rows = latent_rows(5, MEAN, STD, 0.5, seed=7)
    assert rows is not None
    for y in (11, 0, 3, 11):  # in any order, again and again
        noise = np.random.Generator(np.random.Philox(key=[7, y])).standard_normal((5, 3), np.float32)
        assert np.array_equal(rows(y), np.float32(0.5) * (MEAN + STD * noise)) and rows(y).dtype == np.float32


def test_the_draw_never_changes_between_versions() -> None:
    rows = latent_rows(2, MEAN, STD, 1.0, seed=1)
    assert rows is not None
    first = [[2.182043, -1.2119542, 0.0619433], [1.6794598, -0.75906497, -1.510137]]
    assert np.allclose(rows(4), first, atol=1e-6)


def test_it_has_the_mean_and_deviation_of_each_channel_times_tau() -> None:
    for tau in (1.0, 0.5):
        rows = latent_rows(2000, MEAN, STD, tau, seed=0)
        assert rows is not None
        drawn = np.concatenate([rows(y) for y in range(10)])
        assert np.allclose(drawn.mean(0), tau * MEAN, atol=0.06)
        assert np.allclose(drawn.std(0), tau * STD, rtol=0.03)


def test_tau_0_draws_nothing() -> None:
    assert latent_rows(5, MEAN, STD, 0.0, seed=7) is None


def test_seeds_and_rows_have_streams_of_their_own() -> None:
    drawn = []
    for seed, y in ((0, 0), (1, 0), (0, 1)):
        rows = latent_rows(4, MEAN, STD, 1.0, seed)
        assert rows is not None
        drawn.append(rows(y).tobytes())
    assert len(set(drawn)) == 3
