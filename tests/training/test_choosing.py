from __future__ import annotations

import json

import pytest

from commands import models, tuning
from commands.common import WorkFailedError
from training.tracking import Tracker

# What MLflow asks of SQLAlchemy is its own affair.
NOISE = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    place = tmp_path / "workspace"
    monkeypatch.setitem(models.state, "workspace", place)
    return place


@pytest.fixture
def registered(workspace, trained):
    """A workspace with three versions of one bundle; the second replaced the first."""
    tracker = Tracker(workspace)
    for _ in range(3):
        tracker.register(trained.bundle, params={}, metrics={}, plots={}, data_version="abc")
    tracker.promote("1")
    tracker.promote("2")
    return tracker


def test_without_a_model_the_card_tells_what_to_run(workspace):
    with pytest.raises(WorkFailedError, match="dealcast train"):
        models.card_command()


def test_rollback_before_any_replacement_tells_what_else_there_is(workspace):
    with pytest.raises(WorkFailedError, match="dealcast promote VERSION"):
        models.rollback_command()


@NOISE
@pytest.mark.slow
def test_rollback_goes_back_to_the_champion_before(registered, capsys):
    models.rollback_command()
    assert "version 1 " in capsys.readouterr().out
    assert registered.champion_version() == "1"


@NOISE
@pytest.mark.slow
def test_card_is_of_the_champion_or_of_the_version_asked(registered, capsys):
    models.card_command()
    assert capsys.readouterr().out.startswith("Model version 2\n")
    models.card_command("3", json_=True)
    assert json.loads(capsys.readouterr().out)["version"] == "3"
    models.card_command("1", markdown=True)
    assert capsys.readouterr().out.startswith("# Model card: version 1\n")


@NOISE
@pytest.mark.slow
def test_a_bundle_with_the_champions_recipe_waits_for_its_age(registered, history, trained):
    decision = models.decided(registered, history, trained)
    assert not decision.promote
    assert "champion_days" in decision.reason


def test_tuning_is_refused_where_deals_are_too_few(history, cut):
    with pytest.raises(WorkFailedError, match="closed deals are too few to tune on"):
        tuning._arena(history, cut, 5, 3)
