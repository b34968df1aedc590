from __future__ import annotations

from dataclasses import replace

import pytest

from training.champion import decide


@pytest.fixture
def bundle(bundles, cut):
    """Make a bundle with a gain over the table, and an error of it."""

    def make(gain=0.02, error=0.001, tier="full", cut=cut, version="3"):
        validation = {"gain": {"mean": gain, "standard_error": error, "deals": 500}}
        return replace(
            bundles[tier], cut=cut, version=version, card={"validation": validation, "tier": tier}
        )

    return make


def test_first_bundle_becomes_champion(bundle):
    assert decide(None, bundle()).promote


def test_bundle_of_an_earlier_cut_never_takes_over(bundle, cut):
    decision = decide(bundle(), bundle(gain=9.0, cut=cut - 1, version=""))
    assert not decision.promote
    assert "version 3" in decision.reason
    assert "2024-04-01" in decision.reason


@pytest.mark.parametrize("later", [0, 1])
def test_bundle_that_does_no_worse_takes_over(bundle, cut, later):
    decision = decide(bundle(), bundle(cut=cut + later))
    assert decision.promote
    assert "+0.0200 against +0.0200" in decision.reason


def test_bundle_worse_by_more_than_the_error_stays_behind(bundle):
    decision = decide(bundle(gain=0.02), bundle(gain=0.0185))
    assert not decision.promote
    assert "+0.0185" in decision.reason
    assert "version 3 (+0.0200)" in decision.reason


def test_bundle_worse_within_the_error_takes_over(bundle):
    assert decide(bundle(gain=0.02), bundle(gain=0.0187)).promote


def test_table_stays_behind_a_model_that_was_clearly_better_than_one(bundle):
    assert not decide(bundle(), bundle(tier="table")).promote
    assert decide(bundle(tier="table"), bundle()).promote


def test_bundle_that_could_not_be_validated_counts_as_a_table(bundle):
    unknown = replace(bundle(tier="table"), card={"validation": None})
    assert decide(unknown, unknown).promote
    assert not decide(bundle(), unknown).promote
