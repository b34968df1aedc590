from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState

from experiments import tuning
from experiments.tuning import (
    FINISHED,
    SPACE,
    Arena,
    default_params,
    importances,
    open_study,
    origins_seen,
    recipe_of,
    run_study,
)
from experiments.tuning_page import write_page
from training.boosted import DEFAULTS
from training.tiers import DEFAULT, learner_of

ORIGINS = 6
ARENA = Arena(tuple(SimpleNamespace(place=n) for n in range(ORIGINS)), (SimpleNamespace(place=9),))


def loss(known, contender, horizons):
    """Of an origin: fewer leaves and a weight of .6 are best; origins differ in difficulty."""
    blend = contender.learner(2_000, ())
    leaves = blend.learners[0].params["num_leaves"]
    return 0.4 + 0.01 * known.place + 0.002 * leaves + (blend.weights[0] - 0.6) ** 2


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(tuning, "origin_loss", loss)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("การปรับ") / "studies.db"


@pytest.fixture
def study(place):
    found = open_study(place, "shared", seed=1)
    run_study(found, ARENA, 25, lambda _: None)
    return found


def test_the_default_recipe_is_the_first_trial(study):
    assert study.trials[0].params == default_params()
    assert recipe_of(study.trials[0].params).l2 == DEFAULT.l2


def test_default_params_are_those_that_training_uses():
    trees = learner_of("full", ()).learners[0].params
    assert {name: trees[name] for name in DEFAULTS} == dict(DEFAULTS)
    assert learner_of("full", (), 0, recipe_of(default_params())) == learner_of("full", ())


def test_every_default_lies_in_the_space_that_is_searched():
    for name, (_, low, high, _) in SPACE.items():
        assert low <= default_params()[name] <= high


def test_a_study_ends_with_the_trials_asked_and_goes_on_where_it_was(study, place):
    assert len(study.get_trials(states=FINISHED)) == 25
    told = []
    run_study(study, ARENA, 25, told.append)
    assert told == []
    more = open_study(place, "shared", seed=2)
    run_study(more, ARENA, 27, told.append)
    assert len(more.get_trials(states=FINISHED)) == 27
    assert "27 trials" in told[-1]


def test_trials_that_fall_behind_are_given_up_after_some_origins(study):
    pruned = study.get_trials(states=(TrialState.PRUNED,))
    assert pruned
    assert all(2 <= seen < ORIGINS for seen in origins_seen(pruned))
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    assert origins_seen(complete) == [ORIGINS] * len(complete)


def test_the_best_trial_is_better_than_the_default(study):
    assert study.best_value < study.trials[0].value


def test_what_matters_is_what_the_loss_depends_on():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))

    def objective(trial):
        asked = {name: trial.suggest_float(name, low, high) for name, (_, low, high, _) in some}
        return (asked["weight"] - 0.6) ** 2

    some = [(name, SPACE[name]) for name in ("lambda_l2", "l2", "weight")]
    study.optimize(objective, n_trials=60)
    found = importances(study)
    assert max(found, key=found.get) == "weight"
    assert sum(found.values()) == pytest.approx(1.0)


def test_too_few_trials_tell_nothing_of_importance(tmp_path):
    young = open_study(tmp_path / "studies.db", "young", seed=1)
    run_study(young, ARENA, 2, lambda _: None)
    assert importances(young) == {}


def test_page_shows_the_trials_and_what_tuning_is_worth(study, tmp_path):
    page = write_page(study, ARENA, "It is worth <nothing>.", tmp_path / "หน้า")
    text = page.read_text(encoding="utf-8")
    assert "It is worth &lt;nothing&gt;." in text
    assert text.count("given up</td>") == len(study.get_trials(states=(TrialState.PRUNED,)))
    assert "http://" not in text.split("</script>")[-1]
    assert [path.name for path in page.parent.iterdir()] == [page.name]


def test_a_history_too_short_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(tuning, "monthly_origins", lambda *_: [3, 2])
    with pytest.raises(ValueError, match="room for 2 origins and tuning needs 4"):
        Arena.of(SimpleNamespace(at=lambda cut: cut), 5, 2)


def test_the_newest_origins_are_kept_aside(monkeypatch):
    monkeypatch.setattr(tuning, "monthly_origins", lambda *_: [5, 4, 3, 2])
    arena = Arena.of(SimpleNamespace(at=lambda cut: cut), 5, 2)
    assert arena.aside == (5, 4)
    assert arena.study == (3, 2)


# A trial shows its first sign of life soon after it began; one killed before that is never missed.
KILLED = """
import sqlite3, sys, time
from pathlib import Path
from types import SimpleNamespace
from experiments import tuning
tuning.HEARTBEAT, tuning.GRACE = 1, 2
def slow(known, contender, horizons):
    signs = "select count(*) from trial_heartbeats"
    while sqlite3.connect(sys.argv[1]).execute(signs).fetchone()[0] == 0:
        time.sleep(0.05)
    print("asked", flush=True)
    time.sleep(60)
tuning.origin_loss = slow
arena = tuning.Arena((SimpleNamespace(place=0),) * 2, ())
tuning.run_study(tuning.open_study(Path(sys.argv[1]), "killed"), arena, 3, print)
"""


@pytest.mark.slow
def test_a_trial_whose_process_was_killed_is_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "HEARTBEAT", 1)
    monkeypatch.setattr(tuning, "GRACE", 2)
    place = tmp_path / "studies.db"
    root = Path(tuning.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", KILLED, str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as killed:
        assert killed.stdout.readline() == "asked\n"
        killed.send_signal(signal.SIGKILL)
    time.sleep(3)
    study = open_study(place, "killed", seed=1)
    run_study(study, ARENA, 3, lambda _: None)
    finished = study.get_trials(states=FINISHED)
    assert len(finished) == 3
    assert finished[0].params == default_params()
    states = {trial.state for trial in study.get_trials(deepcopy=False)}
    assert optuna.trial.TrialState.RUNNING not in states
