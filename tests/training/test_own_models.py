from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.pipeline import compute_features
from features.snapshots import panel as weekly
from features.vocabulary import learn_vocabulary
from training import own_models
from training.bundle import load_bundle, save_bundle
from training.card import card_markdown
from training.champion import compare
from training.close import fit_close, make_panel
from training.explanation import parts_of
from training.learners import expit, logit
from training.logistic import Logistic
from training.metrics import Difference, log_loss, paired
from training.origins import Past, monthly_origins
from training.own_models import (
    LEAST_DEALS,
    TOO_FEW,
    TOO_LARGE,
    Tried,
    pipelines_served,
    try_own_models,
)
from training.scoring import score
from training.segments import BySegment, BySegmentModel
from training.served import Served
from training.train import train
from training.validation import origins_for, validate

CUT = pd.Timestamp("2024-06-01", tz="UTC")
MICROS = int(CUT.as_unit("us").asm8.astype("int64"))
FEATURES = ["age_days", "stage_code", "pipeline_code", "log_amount"]
NAMES = ("north", "south")


def drawn(effects, each, seed=0, *, known=True):
    """Deals of two pipelines that are won the sooner, the larger (or the smaller) they are."""
    rng = np.random.default_rng(seed)
    count = each * len(effects)
    size, which = rng.normal(0, 1, count), np.arange(count) % len(effects)
    created = CUT - pd.to_timedelta(rng.uniform(20, 700, count), unit="D").round("s")
    closed = created + pd.to_timedelta(rng.exponential(50, count) + 1, unit="D").round("s")
    won = rng.random(count) < expit(np.array(effects)[which] * size)
    deals = pd.DataFrame({"created": created, "closed": closed, "won": won})
    if known:
        deals["closed"] = deals["closed"].where(closed < CUT)
    deals["amount"] = np.exp(9 + size)
    return deals.assign(pipeline=np.array(NAMES)[which])


def laid_out(history):
    vocabulary = learn_vocabulary(history, MICROS)
    chosen = weekly(history, MICROS)
    features = compute_features(history, vocabulary, chosen, FEATURES)
    return make_panel(history, chosen, features, MICROS), vocabulary


def tried(history, least=300):
    panel, vocabulary = laid_out(history)
    learner = Logistic(("stage_code", "pipeline_code"), l2=60.0)
    found = validate(history, panel, learner, lambda _: None)
    names = vocabulary.categories["deals.pipeline"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_models, "LEAST_DEALS", least)
        return found, try_own_models(history, panel, found, names, lambda _: learner)


@pytest.fixture(scope="module")
def opposed(make_history):
    """What was tried of pipelines in which size has opposite effects."""
    return tried(make_history(drawn((2.0, -2.0), 600)))


@pytest.fixture(scope="module")
def alike(make_history):
    return tried(make_history(drawn((1.0, 1.0), 600)))


def test_pipelines_with_opposite_effects_are_given_models_of_their_own(opposed):
    _, own = opposed
    assert [each.pipeline for each in own.tried] == list(NAMES)
    assert all(each.served and each.gain.mean > 0.01 for each in own.tried)
    assert list(own.learners) == [0, 1]
    assert all(each.reason.startswith("its own model; out of time") for each in own.tried)
    assert "north by +0." in own.reason
    assert "south by +0." in own.reason


def test_alike_pipelines_fall_back_to_the_model_of_all_deals(alike):
    found, own = alike
    assert not own.learners
    assert own.found is found
    assert own.reason == ""
    for each in own.tried:
        assert each.gain is not None
        assert each.reason.startswith("the model of all deals; out of time")


def test_answers_of_served_models_take_the_place_of_the_wholes_and_are_better(opposed):
    found, own = opposed
    assert (own.found.deal == found.deal).all()
    for horizon, labels in found.labels.items():
        assert (own.found.model[horizon] != found.model[horizon]).all()
        losses = [log_loss(labels, expit(each.model[horizon])) for each in (own.found, found)]
        assert losses[0].mean() < losses[1].mean()
        assert (own.found.table[horizon] == found.table[horizon]).all()
    assert (own.found.lost_model != found.lost_model).any()


def test_pipeline_with_few_closed_deals_is_not_tried_and_the_reason_says_from_how_many(
    make_history,
):
    found, own = tried(make_history(drawn((2.0, -2.0), 200)), least=LEAST_DEALS)
    assert own.found is found
    assert not own.learners
    for each in own.tried:
        assert each.gain is None
        assert 0 < each.deals < 200
        assert each.reason == f"the model of all deals; {TOO_FEW}"
    assert "from 1,500 closed deals on" in TOO_FEW


@pytest.mark.parametrize(("effects", "unlike"), [((2.0, -2.0), True), ((1.0, 1.0), False)])
def test_pipeline_that_holds_most_deals_is_tried_only_where_another_is_unlike(
    effects, unlike, make_history
):
    # Of eight draws of pipelines alike one (0) lets the smaller pass, by 2.07 standard errors.
    deals = drawn(effects, 1200, seed=1)
    few = deals["pipeline"].eq("south") & (deals.index % 16 > 5)
    _, own = tried(make_history(deals[~few].reset_index(drop=True)), least=300)
    north, south = own.tried
    assert north.deals > 2 * south.deals > 600
    assert south.gain is not None
    assert (south.served, north.gain is not None) == (unlike, unlike)
    assert unlike or north.reason == f"the model of all deals; {TOO_LARGE}"


def test_single_pipeline_has_nothing_to_try(make_history):
    history = make_history(drawn((2.0,), 300))
    panel, _ = laid_out(history)
    panel = replace(panel, features=panel.features.drop(columns="pipeline_code"))
    found = validate(history, panel, Logistic(("stage_code",)), lambda _: None)
    own = try_own_models(history, panel, found, ("north",), lambda _: Logistic())
    assert (own.tried, own.learners, own.reason) == ((), {}, "")


def test_candidate_without_hope_at_the_newest_origin_is_given_up(alike, make_history, monkeypatch):
    asked = []
    history = make_history(drawn((1.0, 1.0), 600))
    panel, _ = laid_out(history)
    newest = origins_for(panel)[:1]

    def watched(history, panel, learner, progress, cuts=None):
        asked.append(list(cuts))
        return validate(history, panel, learner, progress, cuts)

    monkeypatch.setattr(own_models, "LEAST_DEALS", 300)
    monkeypatch.setattr(own_models, "validate", watched)
    # A learner that knows nothing is worse than any model of all deals.
    ignorant = Logistic((), l2=1e9)
    own = try_own_models(history, panel, alike[0], NAMES, lambda _: ignorant)
    assert asked == [newest, newest]
    assert all(each.given_up and not each.served for each in own.tried)
    assert all("at the newest of the past origins alone" in each.reason for each in own.tried)


def test_what_comes_after_the_cut_moves_no_choice_and_no_figure(opposed, make_history):
    later = make_history(drawn((2.0, -2.0), 600, known=False))
    assert (later.closings.time >= MICROS).any()
    again = tried(later)[1]
    assert again.tried == opposed[1].tried
    assert all((again.found.model[h] == each).all() for h, each in opposed[1].found.model.items())


@pytest.mark.parametrize(
    ("mean", "error", "served"), [(0.0021, 0.001, True), (0.002, 0.001, False), (-1.0, 0.1, False)]
)
def test_own_model_is_served_only_where_better_by_over_two_standard_errors(mean, error, served):
    each = Tried("north", 3000, gain=Difference(mean, error, 500))
    assert each.served is served
    assert f"{mean:+.4f} +- {error:.4f} nats a snapshot over 500 deals" in each.reason
    assert each.to_json()["served"] is served
    assert json.dumps(each.to_json())


def test_own_models_answer_better_of_deals_they_have_not_seen(opposed, make_history):
    panel, _ = laid_out(make_history(drawn((2.0, -2.0), 600)))
    fresh, _ = laid_out(make_history(drawn((2.0, -2.0), 600, seed=1)))
    whole = Logistic(("stage_code", "pipeline_code"), l2=60.0)
    mature = fresh.outcomes.watched >= 84
    features, won = fresh.features[mature], fresh.outcomes.won(84)[mature]
    own, all_deals = (
        log_loss(won, fit_close(panel, each, 365.0).incidence(features).won_by(84)[:, 0])
        for each in (BySegment(whole, opposed[1].learners), whole)
    )
    gain = paired(fresh.snapshots.deal[mature], all_deals - own)
    assert gain.mean > 5 * gain.standard_error


@pytest.fixture(scope="module")
def with_own(make_history):
    """What was trained on pipelines with opposite effects, and their history."""
    history = make_history(drawn((2.0, -2.0), 600))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own_models, "LEAST_DEALS", 400)
        return history, train(history, MICROS)


@pytest.mark.slow
def test_bundle_with_own_models_says_so_and_answers_alike_when_read_back(with_own, tmp_path):
    history, bundle = with_own[0], with_own[1].bundle
    names = [name for name, _ in pipelines_served(bundle.card)]
    assert names
    models = (*bundle.close.won, *bundle.close.lost)
    assert all(isinstance(each, BySegmentModel) for each in models)
    assert f"better than that of all deals: {names[0]} by +0." in bundle.card["reason"]
    assert f"Answers for {names[0]}: its own model; " in card_markdown(bundle)
    found = score(bundle, history, MICROS)
    parts = parts_of(bundle, found.features, found.incidence)
    served = logit(found.incidence.won_by(90)[:, 0])
    assert parts.logits() == pytest.approx(served, abs=1e-6)
    again = load_bundle(save_bundle(bundle, tmp_path / "bundle"))
    assert score(again, history, MICROS).frame.to_csv() == found.frame.to_csv()


@pytest.mark.slow
def test_backtest_gives_pipelines_their_own_models_where_training_then_would_have(
    with_own, monkeypatch
):
    history = with_own[0]
    past = Past.of(history, MICROS)
    known = past.at(monthly_origins(past, 1)[0])
    monkeypatch.setattr(own_models, "LEAST_DEALS", 300)
    served = Served(past).fit(known, (30, 90))(known.features)
    bundle = train(history, known.cut).bundle
    assert pipelines_served(bundle.card)
    features = known.features[list(bundle.features)]
    assert served == pytest.approx(bundle.close.incidence(features).won_by([30, 90]), abs=0.01)
    monkeypatch.setattr(own_models, "LEAST_DEALS", 10_000)
    alone = Served(past).fit(known, (30, 90))(known.features)
    assert np.abs(served - alone).max() > 0.05


@pytest.mark.slow
def test_champion_without_own_models_is_refitted_beside_a_challenger_that_has_them(with_own):
    history, trained = with_own
    champion = replace(trained.bundle, version="1")
    assert compare(history, champion, trained) is None
    without = replace(champion, card={**champion.card, "pipelines": []})
    found = compare(history, without, trained)
    assert found.gain.better
    assert "refitted at the same origins" in found.where
