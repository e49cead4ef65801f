"""The stream: every token once a lap, in an order that belongs to the documents."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.identity import document_ids, id_matrix
from curator.train.packing import Coverage, Stream, document_order, window_of


def stream_of(lengths, seed=3):
    count = len(lengths)
    lengths = np.asarray(lengths, dtype=np.int64)
    ids = id_matrix(document_ids("s", pa.array([str(i) for i in range(count)])))
    return Stream(
        ids, np.zeros(count, dtype=np.uint16), np.cumsum(lengths) - lengths, lengths, seed
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 17))
def test_any_cut_of_two_laps_holds_every_token_twice(lengths, step):
    stream = stream_of(lengths)
    stop = 2 * stream.lap_tokens

    cut = [stream.positions(a, min(a + step, stop)) for a in range(0, stop, step)]

    counts = np.bincount(np.concatenate(cut), minlength=stream.lap_tokens)
    assert counts.tolist() == [2] * stream.lap_tokens


def test_a_document_stays_whole_and_in_order_within_the_stream():
    stream = stream_of([4, 9, 2, 7])

    first_lap = stream.positions(0, stream.lap_tokens)

    jumps = np.flatnonzero(np.diff(first_lap) != 1) + 1
    starts = first_lap[np.concatenate(([0], jumps))]
    assert set(starts) <= {0, 4, 13, 15}


def test_order_depends_on_ids_and_not_on_rows():
    ids = id_matrix(document_ids("s", pa.array(list("abcdefgh"))))
    epochs = np.array([0, 0, 0, 0, 1, 1, 2, 2], dtype=np.uint16)
    shuffle = np.random.default_rng(0).permutation(8)

    straight = ids[document_order(ids, epochs, seed=5, lap=0)]
    shuffled = ids[shuffle][document_order(ids[shuffle], epochs[shuffle], seed=5, lap=0)]

    assert (straight == shuffled).all()


def test_seeds_and_laps_give_other_orders():
    stream = stream_of([1] * 50)
    other = stream_of([1] * 50, seed=4)

    lap = stream.positions(0, 50)

    assert (lap != other.positions(0, 50)).any()
    assert (lap != stream.positions(50, 100)).any()


def test_coverage_adds_up_before_and_after_a_whole_lap():
    stream = stream_of([10, 20, 30, 40])
    sources = np.array([0, 1, 0, 1])

    part = stream.coverage(35, sources, 2)
    beyond = stream.coverage(130, sources, 2)

    assert sum(c.seen for c in part) == 35
    assert [c.seen + c.unseen for c in part] == [40, 60]
    assert sum(c.seen for c in beyond) == 130
    assert [c.unseen for c in beyond] == [0, 0]


def test_coverage_agrees_with_counting_the_stream():
    stream = stream_of([5, 3, 8, 6, 2])
    sources = np.array([0, 1, 1, 0, 0])
    of_token = np.repeat(sources, stream.lengths)

    covered = stream.coverage(17, sources, 2)

    counted = np.bincount(of_token[stream.positions(0, 17)], minlength=2)
    assert covered == [
        Coverage(int(seen), total - int(seen))
        for seen, total in zip(counted, (13, 11), strict=True)
    ]


def many(count=4000, seed=1, budget=None, lengths=None):
    ids = id_matrix(document_ids("s", pa.array([str(i) for i in range(count)])))
    lengths = np.full(count, 10, dtype=np.int64) if lengths is None else lengths
    epochs = np.zeros(count, dtype=np.uint16)
    return Stream(ids, epochs, np.cumsum(lengths) - lengths, lengths, seed, budget)


def documents_of(stream, tokens):
    return set((stream.positions(0, tokens) // 10).tolist())


def test_five_runs_of_a_seventh_of_the_mixture_share_no_document():
    runs = [documents_of(many(seed=seed, budget=5_600), 5_600) for seed in range(1, 6)]

    shared = [len(a & b) for i, a in enumerate(runs) for b in runs[:i]]

    assert max(shared) == 0


def test_the_windows_overlap_tells_what_share_of_its_text_a_run_shares():
    tokens = 14_000
    streams = [many(seed=seed, budget=tokens) for seed in (1, 2, 3, 4)]
    runs = [documents_of(stream, tokens) for stream in streams]

    for a, one in enumerate(streams):
        for b, other in enumerate(streams[:a]):
            apart = abs(one.window.start - other.window.start)
            arcs = max(0, one.window.share - min(apart, 1 - apart)) / one.window.share
            assert abs(len(runs[a] & runs[b]) / len(runs[a]) - arcs) < 0.05


def test_arms_that_share_most_documents_share_them_in_every_window():
    whole = many(count=4000, budget=8_000)
    lengths = np.full(3600, 10, dtype=np.int64)
    part = many(count=3600, budget=8_000, lengths=lengths)  # the same but for the last tenth

    both = documents_of(whole, 8_000) & documents_of(part, 8_000)

    assert len(both) > 0.85 * 800


def test_after_its_window_a_stream_goes_on_to_the_rest_of_the_lap():
    stream = many(count=300, budget=600)

    first_lap = stream.positions(0, stream.lap_tokens)

    assert sorted(first_lap.tolist()) == list(range(3000))


def test_a_budget_of_a_lap_or_more_reads_every_document():
    for budget in (40_000, 50_000):
        window = many(budget=budget).window
        assert (window.start, window.share) == (0.0, 1.0)
        assert window.rows.all()


def test_all_copies_of_a_document_stand_in_one_window():
    ids = id_matrix(document_ids("s", pa.array([str(i) for i in range(200)])))
    ids = np.concatenate((ids, ids))
    epochs = np.repeat(np.array([0, 1], dtype=np.uint16), 200)
    lengths = np.full(400, 10, dtype=np.int64)
    rows = Stream(ids, epochs, np.cumsum(lengths) - lengths, lengths, 7, 1_000).window.rows

    assert (rows[:200] == rows[200:]).all()


def test_a_window_holds_every_source_in_its_share():
    random = np.random.default_rng(0)
    ids = id_matrix(document_ids("s", pa.array([str(i) for i in range(3000)])))
    lengths = random.integers(5, 60, 3000)
    sources = random.choice(4, 3000, p=[0.05, 0.15, 0.3, 0.5])
    whole = np.bincount(sources, lengths) / lengths.sum()

    for seed in range(1, 6):
        rows = window_of(ids, lengths, sources, seed, int(lengths.sum() * 0.1)).rows
        found = np.bincount(sources[rows], lengths[rows], 4) / lengths[rows].sum()
        assert np.abs(found - whole).max() < 0.01


def test_a_long_document_is_read_as_much_as_its_tokens_are_worth():
    lengths = np.full(200, 10, dtype=np.int64)
    lengths[7] = 60
    ids = id_matrix(document_ids("s", pa.array([str(i) for i in range(200)])))
    starts, epochs = np.cumsum(lengths) - lengths, np.zeros(200, dtype=np.uint16)
    read = []
    for seed in range(300):
        places = Stream(ids, epochs, starts, lengths, seed, 205).positions(0, 205)
        read.append(((places >= starts[7]) & (places < starts[7] + 60)).mean())

    assert abs(np.mean(read) - 60 / lengths.sum()) < 0.01


def test_windows_belong_to_documents_and_not_to_rows():
    ids = id_matrix(document_ids("s", pa.array([str(i) for i in range(300)])))
    lengths = np.random.default_rng(1).integers(1, 30, 300)
    sources = np.arange(300) % 3
    other = np.random.default_rng(2).permutation(300)

    straight = window_of(ids, lengths, sources, 5, 900).rows
    shuffled = window_of(ids[other], lengths[other], sources[other], 5, 900).rows

    assert (straight[other] == shuffled).all()
