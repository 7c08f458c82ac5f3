"""The order of examples: complete, a pure function of its key, and bucketed by length."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xrobust.engine.order import (
    BATCH_OVERHEAD,
    BATCH_PIECES,
    epoch_batches,
    evaluation_batches,
    steps_per_epoch,
)
from xrobust.engine.predict import shares


@given(st.lists(st.integers(1, 100), min_size=1, max_size=300), st.integers(1, 40), st.integers(0, 5))
def test_each_example_once_an_epoch(lengths: list[int], batch_size: int, epoch: int) -> None:
    batches = epoch_batches(np.array(lengths), batch_size, seed=3, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == steps_per_epoch(len(lengths), batch_size)
    assert sum(len(b) < batch_size for b in batches) <= 1


def test_order_depends_on_seed_and_epoch_alone() -> None:
    lengths = np.random.default_rng(0).integers(1, 90, 5000)

    def order(seed: int, epoch: int) -> list[int]:
        np.random.default_rng().random()  # what others draw does not matter
        return np.concatenate(epoch_batches(lengths, 32, seed, epoch)).tolist()

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(s, e)) for s in (1, 2) for e in (0, 1)}) == 4


def test_bucketing_leaves_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 20_000)
    batches = epoch_batches(lengths, 32, seed=0, epoch=0)
    computed = sum(len(b) * lengths[b].max() for b in batches)
    assert lengths.sum() / computed > 0.95


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=200), st.sampled_from(["cpu", "cuda"]))
def test_evaluation_batches_cover_all_items_within_the_budget(lengths: list[int], device: str) -> None:
    found = np.array(lengths)
    batches = evaluation_batches(found, device)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) * found[batch].max() <= max(BATCH_PIECES[device], found[batch].max())


@given(st.lists(st.integers(1, 900), min_size=1, max_size=9))
def test_evaluation_batches_are_the_cheapest_cuts_of_the_sorted_items(lengths: list[int]) -> None:
    def cost(batches: Iterable[np.ndarray]) -> float:
        costs = [len(batch) * int(batch.max()) for batch in batches]
        over = any(c > BATCH_PIECES["cpu"] and len(b) > 1 for c, b in zip(costs, batches, strict=True))
        return math.inf if over else sum(costs) + BATCH_OVERHEAD["cpu"] * len(costs)

    found = np.array(lengths)
    ours = [found[batch] for batch in evaluation_batches(found, "cpu")]
    places = range(1, len(lengths))
    every = (
        np.split(np.sort(found), list(cuts)) for n in range(len(lengths)) for cuts in itertools.combinations(places, n)
    )
    assert cost(ours) == min(cost(batches) for batches in every)


def test_no_items_no_batches() -> None:
    assert evaluation_batches(np.array([], dtype=np.int64), "cpu") == []


@given(st.lists(st.integers(1, 9000), max_size=60), st.integers(1, 9))
def test_batches_are_shared_out_by_their_cost(costs: list[int], processes: int) -> None:
    shared = shares(costs, processes)
    assert len(shared) == processes
    assert sorted(index for share in shared for index in share) == list(range(len(costs)))
    loads = [sum(costs[index] for index in share) for share in shared]
    assert max(loads) - min(loads) <= max(costs, default=0)


def test_the_costliest_batches_go_to_different_processes() -> None:
    assert shares([1, 1, 1, 1, 4], 2) == [[4], [0, 1, 2, 3]]


def test_a_small_test_set_is_cut_into_batches_that_two_processes_can_share() -> None:
    lengths = np.random.default_rng(0).integers(5, 60, 1000)
    batches = evaluation_batches(lengths, "cpu")
    costs = [len(batch) * int(lengths[batch].max()) for batch in batches]
    loads = [sum(costs[index] for index in share) for share in shares(costs, 2)]
    assert max(loads) < 1.05 * sum(loads) / 2
    assert lengths.sum() > 0.95 * sum(costs), "lengths in a batch are alike"
