"""The order of examples: complete, a pure function of its key, and bucketed by length."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from xrobust.encoded import EncodedBuilder
from xrobust.engine.order import epoch_batches, steps_per_epoch
from xrobust.engine.predict import BATCH_PIECES, evaluation_batches, shares


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


@given(st.lists(st.integers(1, 600), min_size=1, max_size=200))
def test_evaluation_batches_cover_all_items_within_the_budget(lengths: list[int]) -> None:
    builder = EncodedBuilder(token_types=False, per_token=False)
    for i, length in enumerate(lengths):
        builder.sequence([1] * length, [0] * length, None)
        builder.item(i, [0])
    encoded = builder.build()
    batches = evaluation_batches(encoded)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) * encoded.lengths[batch].max() <= max(BATCH_PIECES, encoded.lengths[batch].max())


@given(st.lists(st.integers(1, 9000), max_size=60), st.integers(1, 9))
def test_batches_are_shared_out_by_their_cost(costs: list[int], processes: int) -> None:
    shared = shares(costs, processes)
    assert len(shared) == processes
    assert sorted(index for share in shared for index in share) == list(range(len(costs)))
    loads = [sum(costs[index] for index in share) for share in shared]
    assert max(loads) - min(loads) <= max(costs, default=0)


def test_the_costliest_batches_go_to_different_processes() -> None:
    assert shares([1, 1, 1, 1, 4], 2) == [[4], [0, 1, 2, 3]]


def test_a_small_test_set_is_cut_into_batches_that_many_processes_can_share() -> None:
    builder = EncodedBuilder(token_types=False, per_token=False)
    for i, length in enumerate(np.random.default_rng(0).integers(5, 60, 1000).tolist()):
        builder.sequence([1] * length, [0] * length, None)
        builder.item(i, [0])
    encoded = builder.build()
    batches = evaluation_batches(encoded)
    costs = [len(batch) * int(encoded.lengths[batch].max()) for batch in batches]
    loads = [sum(costs[index] for index in share) for share in shares(costs, 8)]
    assert max(loads) < 1.05 * sum(loads) / 8
    assert encoded.lengths.sum() > 0.95 * sum(costs), "lengths in a batch are alike"
