from __future__ import annotations

import numpy as np
import pytest

from curator.embed.directions import directions
from curator.errors import RecipeError


def test_directions_have_length_one_and_keep_pointing():
    vectors = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float16) * 3
    found = directions(vectors)

    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert (np.einsum("nd,nd->n", found, vectors.astype(np.float32)) > 0).all()


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, 0.0], [0.0, 0.0]], r"here: 1 of 2 vectors .* no length, the first in row 1"),
        ([[np.inf, 1.0]], "not finite"),
        ([[1.0, np.nan]], "not finite"),
        ([1.0, 2.0], r"shape \(2,\)"),
        ([[1.0, 2.0, 3.0]], r"shape \(1, 3\); wanted 2 dimensions"),
    ],
)
def test_what_has_no_direction_is_refused(vectors: list, message: str):
    with pytest.raises(RecipeError, match=message):
        directions(np.array(vectors), dimensions=2, where="here")
