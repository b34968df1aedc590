from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from features.windows import DAY
from training.champion import Comparison, compare, decide
from training.metrics import Difference
from training.tiers import Recipe

WEEK = 7.0


@pytest.fixture
def bundle(bundles, cut):
    """Make a bundle of a day, counted from the cut, and a version."""

    def make(day=0.0, version="3", tier="full"):
        return replace(bundles[tier], cut=cut + int(day * DAY), version=version)

    return make


def compared(mean, error=0.001):
    return Comparison(Difference(mean, error, 500), "on the same snapshots")


def test_first_bundle_becomes_champion(bundle):
    assert decide(None, bundle(), None, WEEK).promote


def test_bundle_of_an_earlier_cut_never_takes_over(bundle):
    decision = decide(bundle(), bundle(day=-1, version="4"), compared(9.0), WEEK)
    assert not decision.promote
    assert "version 3" in decision.reason
    assert "2024-04-01" in decision.reason


def test_bundle_better_by_more_than_the_error_takes_over_at_once(bundle):
    decision = decide(bundle(), bundle(version="4"), compared(0.0011), WEEK)
    assert decision.promote
    assert "+0.0011 +- 0.0010 nats a snapshot over 500 deals" in decision.reason


def test_bundle_better_within_the_error_waits_until_the_champion_is_too_old(bundle):
    old = bundle()
    assert not decide(old, bundle(day=6.9, version="4"), compared(0.0009), WEEK).promote
    assert decide(old, bundle(day=7, version="4"), compared(0.0009), WEEK).promote


def test_bundle_that_waits_can_be_taken_by_hand(bundle):
    reason = decide(bundle(), bundle(day=1, version="4"), None, WEEK).reason
    assert "dealcast promote 4" in reason
    assert "champion_days" in reason


def test_bundle_that_is_worse_never_takes_over_by_itself(bundle):
    decision = decide(bundle(), bundle(day=400, version="4"), compared(-0.0011), WEEK)
    assert not decision.promote
    assert "worse" in decision.reason


def test_with_nothing_to_tell_them_apart_age_alone_decides(bundle):
    assert not decide(bundle(), bundle(day=1, version="4"), None, WEEK).promote
    assert decide(bundle(), bundle(day=7, version="4"), None, WEEK).promote


def test_the_same_recipe_of_the_same_day_has_nothing_to_compare(history, trained):
    assert compare(history, replace(trained.bundle, version="1"), trained) is None


def test_an_old_champion_is_asked_about_snapshots_it_has_not_seen(history, trained, bundles):
    oldest = int(trained.out_of_time.time.min())
    champion = replace(bundles["table"], cut=oldest, version="1")
    found = compare(history, champion, trained)
    assert found.gain.deals == len(np.unique(trained.out_of_time.deal))
    assert "neither had seen" in found.where
    assert found.gain.standard_error > 0


@pytest.mark.slow
def test_another_recipe_is_refitted_at_the_same_origins(history, trained):
    poor = {"trees": {"rounds": 1, "learning_rate": 1e-6}, "l2": 1e9, "weight": 0.5}
    card = {**trained.bundle.card, "closed_deals": 1_000}
    challenger = replace(trained.bundle, tier="full", card=card)
    champion = replace(challenger, version="1", card={**card, "recipe": poor})
    found = compare(history, champion, replace(trained, bundle=challenger))
    assert found.gain.mean > 0
    assert "refitted at the same origins" in found.where


def test_a_recipe_survives_the_card(trained):
    assert Recipe(**trained.bundle.card["recipe"]) == Recipe()
