from __future__ import annotations

from dataclasses import replace

import pytest

from training.bundle import BundleError
from training.champion import decide
from training.code_version import code_version
from training.tracking import EXPERIMENT, Tracker

# What MLflow asks of SQLAlchemy is its own affair.
NOISE = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
pytestmark = [pytest.mark.slow, NOISE]


@pytest.fixture(scope="module")
def tracker(tmp_path_factory, bundles, cut):
    """Three versions: of the cut, a day earlier and two days later; the last is champion."""
    tracker = Tracker(tmp_path_factory.mktemp("ลูกค้า workspace"))
    for days in (0, -1, 2):
        register(tracker, replace(bundles["table"], cut=cut + days * 86_400_000_000))
    tracker.promote("3")
    return tracker


@pytest.fixture(autouse=True)
def champion_is_the_third(tracker):
    yield
    tracker.promote("3")


def register(tracker, bundle, plots=None):
    stamped, _ = tracker.register(
        bundle,
        params={"deals": 700},
        metrics={"gain": 0.25, "nothing": float("nan")},
        plots=plots or {},
        data_version="abc",
    )
    return stamped


def runs(tracker):
    client = tracker.client()
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    return client.search_runs([experiment], order_by=["attributes.start_time DESC"])


def test_before_the_first_training_there_is_no_champion_and_no_file(tmp_path):
    tracker = Tracker(tmp_path / "workspace")
    assert tracker.champion() is None
    assert tracker.bundle_for(0) is None
    assert not tracker.workspace.exists()


def test_versions_count_up_and_the_champion_is_the_one_promoted(tracker):
    assert tracker.champion_version() == "3"
    tracker.promote("1")
    assert tracker.champion_version() == "1"
    assert tracker.champion().version == "1"


def test_registering_alone_does_not_move_the_champion(tracker, bundles):
    stamped = register(tracker, bundles["table"])
    assert int(stamped.version) > 3
    assert tracker.champion_version() == "3"


def test_bundle_comes_back_with_its_version_and_what_it_was_learned_from(tracker, bundles):
    found = tracker.load("2")
    assert found.version == "2"
    assert found.card["data_version"] == "abc"
    assert found.card["code_version"] == code_version()
    assert found.features == bundles["table"].features


def test_run_holds_parameters_metrics_and_plots_and_is_finished(tracker, bundles, tmp_path):
    plot = tmp_path / "gain.png"
    plot.write_bytes(b"PNG")
    register(tracker, bundles["table"], {"gain": plot})
    run = runs(tracker)[0]
    assert run.info.status == "FINISHED"
    assert run.data.params["deals"] == "700"
    assert run.data.params["data_version"] == "abc"
    assert run.data.metrics == {"gain": 0.25}
    artifacts = {each.path for each in tracker.client().list_artifacts(run.info.run_id)}
    assert artifacts == {"bundle", "plots"}


def test_later_cut_does_not_answer_an_earlier_question(tracker, cut):
    day = 86_400_000_000
    assert tracker.bundle_for(cut + 5 * day).version == "3"
    assert tracker.bundle_for(cut + day).cut == cut
    assert tracker.bundle_for(cut - day // 2).version == "2"


def test_question_before_every_cut_is_answered_by_the_champion(tracker, cut):
    assert tracker.bundle_for(cut - 9 * 86_400_000_000).version == "3"


def test_failed_registration_leaves_a_failed_run_and_the_champion_as_it_was(
    tracker, bundles, cut, monkeypatch
):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("training.tracking.save_bundle", full_disk)
        with pytest.raises(OSError, match="No space"):
            register(tracker, bundles["table"])
    assert runs(tracker)[0].info.status == "FAILED"
    assert tracker.champion_version() == "3"
    # The version that has no bundle is never asked, though it is the newest of its cut.
    assert tracker.bundle_for(cut).card["data_version"] == "abc"


def test_version_that_was_never_registered_is_told(tracker):
    with pytest.raises(BundleError, match="version 99"):
        tracker.load("99")


def test_artifacts_that_are_gone_are_told_with_the_remedy(tmp_path, bundles):
    import shutil

    tracker = Tracker(tmp_path)
    tracker.promote(register(tracker, bundles["table"]).version)
    shutil.rmtree(tmp_path / "mlartifacts")
    with pytest.raises(BundleError, match=r"version 1 .*dealcast train"):
        tracker.champion()
    again = register(tracker, bundles["table"])
    assert decide(None, again, None, 7.0).promote


def test_registry_that_is_no_database_is_told(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"garbage " * 500)
    with pytest.raises(BundleError, match=r"mlflow\.db cannot be read"):
        Tracker(tmp_path).champion()


def test_server_of_the_environment_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert Tracker(tmp_path).uri == "http://127.0.0.1:5000"


def test_server_of_the_settings_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    (tmp_path / "dealcast.toml").write_text('tracking_uri = "http://127.0.0.1:5001"')
    assert Tracker(tmp_path).uri == "http://127.0.0.1:5001"


def test_code_version_is_a_short_word():
    assert 0 < len(code_version()) < 20


def test_a_workspace_that_was_moved_still_answers(tmp_path, bundles):
    before = Tracker(tmp_path / "before")
    before.promote(register(before, bundles["table"]).version)
    (tmp_path / "before").rename(tmp_path / "after")
    assert Tracker(tmp_path / "after").champion().version == "1"


def test_a_promotion_remembers_whom_it_replaced(tracker):
    tracker.promote("1")
    assert tracker.replaced_by_champion() == "3"
    tracker.promote("3")
    assert tracker.replaced_by_champion() == "1"


def test_promoting_the_champion_again_forgets_nothing(tracker):
    tracker.promote("1")
    tracker.promote("1")
    assert tracker.replaced_by_champion() == "3"
