"""The labelled sentences are what they say they are, and the two sets share nothing."""

from __future__ import annotations

import random

from bench import pii_dev, pii_held
from bench.pii import covered, labelled_set, outcomes
from bench.pii_cases import Case, card, iban, luhn
from curator.text.accounts import iban_lengths


def test_labels_stand_where_the_instance_is_and_are_the_same_each_time():
    made = labelled_set("dev", seed=3, each=1)

    assert made == labelled_set("dev", seed=3, each=1)
    assert made != labelled_set("dev", seed=4, each=1)
    assert all(0 <= case.start < case.end <= len(case.text) for case in made)
    assert {case.kind for case in made} == {*pii_dev.POSITIVES, ""}


def test_the_set_that_is_reported_has_other_forms_sentences_and_look_alikes():
    for kind, forms in pii_held.POSITIVES.items():
        assert not forms.keys() & pii_dev.POSITIVES[kind].keys()
        assert not set(pii_held.SENTENCES[kind]) & set(pii_dev.SENTENCES[kind])
    assert not pii_held.NEGATIVES.keys() & pii_dev.NEGATIVES.keys()


def test_cards_pass_luhns_test_and_accounts_theirs():
    rng = random.Random(1)

    assert luhn("7992739871") == "3"
    for _ in range(20):
        number = card(rng, "4", 16)
        assert luhn(number[:-1]) == number[-1]
        for country, length in iban_lengths().items():
            account = iban(rng, country)
            assert len(account) == length
            assert int("".join(str(int(c, 36)) for c in account[4:] + account[:4])) % 97 == 1


def test_a_label_is_covered_if_no_character_of_it_would_remain():
    case = Case("call 030/1234567 now", "phone", 5, 16, "")

    assert covered(case, [("phone", 5, 9), ("phone", 9, 16)])
    assert not covered(case, [("phone", 5, 15)])
    assert outcomes([case], {"spans": [[[4, 17]]]}) == [(True, True)]
    assert outcomes([case], {"texts": ["call 030/1234567 now"]}) == [(False, False)]
    assert outcomes([case], {"texts": ["call X now"]}) == [(True, True)]
