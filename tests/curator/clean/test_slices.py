"""Slices of the pool are disjoint, cover it, and leave out what is only probed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from curator.arm_spec import StagedSpec
from curator.clean.slices import TakeSlice
from curator.errors import RecipeError
from curator.identity import document_ids
from pipelines.slicing import Slices

TABLE = pa.table({"doc_id": document_ids("s", pa.array([str(n) for n in range(4000)]))})


def kept(stage: TakeSlice) -> np.ndarray:
    return stage.process(None, TABLE)["keep"].to_numpy()


@pytest.mark.parametrize(
    ("stages", "warmup", "probed"), [(4, 0.2, 0.1), (3, 0.0, 0.3), (1, 0.5, 0)]
)
def test_slices_of_all_stages_and_the_probed_make_the_pool(stages, warmup, probed):
    spec = StagedSpec(stages=stages, warmup=warmup, probed=probed, model="m")
    slices = Slices(spec, 17)
    parts = [
        kept(TakeSlice(slices.probed, *slices.bounds(stage), seed=17))
        for stage in range(stages + 1)
    ]
    aside = kept(TakeSlice(slices.probed, with_probed=True, seed=17))

    assert (sum(part.astype(int) for part in [*parts, aside]) == 1).all()
    assert aside.mean() == pytest.approx(probed, abs=0.03)
    each = (1 - probed) * (1 - warmup) / stages
    assert [part.mean() for part in parts[1:]] == pytest.approx([each] * stages, abs=0.03)


def test_nothing_is_set_aside_where_no_state_is_asked():
    assert Slices(StagedSpec(stages=2), 17).probed == 0


def test_a_dropped_document_has_a_reason():
    told = TakeSlice(0.5).process(None, TABLE)

    assert told["reason"].null_count == 0
    assert not told["keep"].to_numpy().any()


@pytest.mark.parametrize("bounds", [(0.5, 0.4), (-0.1, 1.0), (0.0, 1.1)])
def test_a_slice_outside_the_pool_is_refused(bounds):
    with pytest.raises(RecipeError, match="wanted shares"):
        TakeSlice(0.1, *bounds)
