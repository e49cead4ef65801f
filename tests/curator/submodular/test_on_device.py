from __future__ import annotations

import numpy as np
import pytest

from curator.errors import BudgetError
from curator.submodular.facility import facility_location
from curator.submodular.on_device import facility_location_on
from tests.support.vectors import clumped

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("negative", ["clip", "shift"])
def test_a_device_takes_the_same_members_for_the_same_gains(device, negative):
    # Copies, so that gains are equal and chance decides.
    vectors = np.repeat(clumped(150, 4, dimensions=24), 2, axis=0)
    chance = np.random.default_rng(0).random(300)
    expected = facility_location(vectors, 299, chance=chance, negative=negative)

    found = facility_location_on(device, vectors, 299, chance=chance, negative=negative)

    for one, other in zip(found, expected, strict=True):
        assert one.tolist() == other.tolist()


def test_portions_add_up(monkeypatch):
    vectors = clumped(200, 6)
    expected = facility_location(vectors, 50)
    monkeypatch.setattr("curator.submodular.on_device._PORTION", 1000)

    found = facility_location_on("cpu", vectors, 50)

    assert found.order.tolist() == expected.order.tolist()
    assert found.rest.tolist() == expected.rest.tolist()


def test_a_kernel_that_does_not_fit_is_refused():
    with pytest.raises(BudgetError, match=r"300 elements take 360,000 bytes on 'cpu'"):
        facility_location_on("cpu", clumped(300, 1), 3, most_bytes=200_000)
    with pytest.raises(BudgetError, match="cannot choose 5 of 5"):
        facility_location_on("cpu", clumped(5, 1), 5)
