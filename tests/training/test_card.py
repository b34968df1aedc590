from __future__ import annotations

from dataclasses import replace

import pytest

from training.card import card_markdown, card_of, influence
from training.metrics import Difference
from training.own_models import TOO_FEW, Tried


@pytest.fixture
def card(trained):
    return dict(card_of(replace(trained.bundle, version="12")))


def test_every_section_says_something(card):
    assert all(lines and all(lines) for lines in card.values())


def test_card_tells_why_the_tier_was_chosen(card, trained):
    assert trained.bundle.card["reason"] in " ".join(card["What it is"])


def test_card_tells_what_came_of_a_hundred_expected_wins(card, trained):
    ratio = trained.bundle.card["validation"]["figures"]["30"]["observed_expected"]
    told = " ".join(card["How good it was on deals it had not seen"])
    assert f"{100 * ratio:.0f} came" in told


def test_card_of_a_model_that_was_never_tested_says_so(trained):
    untested = replace(trained.bundle, card={**trained.bundle.card, "validation": None})
    told = dict(card_of(untested))["How good it was on deals it had not seen"]
    assert "could not be tested" in told[0]


def test_card_names_what_it_does_not_read(trained):
    told = {**trained.bundle.card, "distrusted": {"deals.prize": "blank while open"}}
    limits = dict(card_of(replace(trained.bundle, card=told)))["Where it stops"]
    assert any("deals.prize" in line and "blank while open" in line for line in limits)


def test_card_of_a_history_without_losses_and_amounts_says_so(trained):
    poor = {**trained.bundle.card, "won_with_amount": 0, "lost_deals": 0}
    limits = " ".join(dict(card_of(replace(trained.bundle, card=poor)))["Where it stops"])
    assert "No won deal has an amount" in limits
    assert "No deal was ever marked lost" in limits


def test_influence_is_shared_out_among_the_families(bundles, panel):
    families = dict.fromkeys(panel.features.columns, "other") | {"stage_code": "momentum"}
    found = influence(bundles["full"].close, panel, families)
    assert set(found) == {"other", "momentum"}
    assert sum(found.values()) == pytest.approx(1.0)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_markdown_has_a_heading_a_section(trained):
    text = card_markdown(replace(trained.bundle, version="12"))
    assert text.startswith("# Model card: version 12\n")
    assert text.count("\n## ") == len(card_of(trained.bundle))


def test_card_tells_how_wide_forecasts_are_drawn_and_by_what(trained):
    def lines(**terms):
        bundle = replace(trained.bundle, card={**trained.bundle.card, "forecast": terms})
        return card_markdown(bundle)

    assert "replayed as of 24 past instants" in lines(widening=1.25, origins=24.0)
    assert "1.25 times as wide" in lines(widening=1.25, origins=24.0)
    assert "By the backtest of the forecast" in lines(widening=1.25, level=1.0)
    assert "times as wide" not in lines(widening=1.0, origins=0.0)
    told = lines(widening=1.0, level=1.0, **{"fall back to AutoETS": 0.21})
    assert "drawn towards AutoETS" in told
    assert "drawn towards" not in lines(widening=1.0, level=1.0)


def test_card_tells_which_model_answers_for_each_pipeline(trained):
    def lines(*pipelines):
        bundle = replace(trained.bundle, card={**trained.bundle.card, "pipelines": pipelines})
        return card_markdown(bundle)

    gain = Difference(0.01, 0.002, 500)
    north = Tried("north", 3000, gain=gain)
    south = Tried("south", 2500, gain=replace(gain, mean=-0.01))
    small = (Tried(name, 20, TOO_FEW) for name in ("east", "west"))
    told = lines(*(each.to_json() for each in (north, south, *small)))
    assert "- Answers for north: its own model; out of time its own is better by +0.0100" in told
    assert "- Answers for south: the model of all deals; out of time" in told
    assert "- Answers for east, west: the model of all deals; one of its own is tried fr" in told
    assert "Answers for" not in lines()
