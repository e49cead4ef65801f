"""Which languages can be asked for."""

from __future__ import annotations

from curator import weights
from curator.clean.language import KNOWN, load_identifier


def test_known_languages_are_the_labels_of_the_model():
    labels = load_identifier(weights.find("lid.176")).get_labels()

    assert sorted(label.removeprefix("__label__") for label in labels) == sorted(KNOWN)
