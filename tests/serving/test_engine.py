import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.store import Store
from data.tables import Tables
from features.history import History
from serving import engine as engines
from serving.engine import Engine, FutureError, NotReadyError
from serving.view import FRESH, View, default_as_of, to_micros, to_time
from training.bundle import BundleError
from training.scoring import score
from training.tracking import Tracker
from training.train import train

EngineAt = Callable[[Path], Engine]


class Moving:
    """A clock that is set by hand."""

    def __init__(self, now: pd.Timestamp) -> None:
        self.now = now

    def __call__(self) -> pd.Timestamp:
        return self.now


class Registry:
    """A tracker that holds bundles by version, in place of MLflow."""

    def __init__(self, **bundles: object) -> None:
        self.bundles, self.champion = bundles, next(iter(bundles), "")

    def champion_version(self) -> str:
        return self.champion

    def load(self, version: str) -> object:
        found = self.bundles[version]
        if isinstance(found, Exception):
            raise found
        return found

    def bundle_for(self, as_of: int) -> object:
        return min(self.bundles.values(), key=lambda bundle: abs(bundle.cut - as_of))


@pytest.fixture
def clock(now: pd.Timestamp) -> Moving:
    return Moving(now + pd.Timedelta(hours=9, seconds=30))


@pytest.fixture
def small(
    small_workspace: Path, five_deals: Tables, clock: Moving, now: pd.Timestamp
) -> tuple[Engine, Registry]:
    """The engine of the five deals, by a table learned in June, fresh to the day."""
    note = {"activity_id": "9", "deal_id": "O", "type": "note", "occurred_at": now}
    fresh = pd.concat([five_deals.activities, pd.DataFrame([note])], ignore_index=True)
    Store(small_workspace / "store").merge(Tables.of({"activities": fresh}), "more", clock())
    june = now - pd.Timedelta(days=20)
    bundle = replace(train(History.of(five_deals), to_micros(june)).bundle, version="v1")
    engine = Engine(small_workspace, clock)
    registry = Registry(v1=bundle)
    engine._tracker = registry  # type: ignore[assignment]
    return engine, registry


def test_without_a_store_the_reason_says_to_import(tmp_path: Path, engine_at: EngineAt) -> None:
    engine = engine_at(tmp_path)
    assert not engine.refresh()
    with pytest.raises(NotReadyError, match="dealcast import"):
        engine.view()


def test_without_a_model_the_reason_says_to_train(
    small_workspace: Path, engine_at: EngineAt
) -> None:
    engine = engine_at(small_workspace)
    assert not engine.refresh()
    with pytest.raises(NotReadyError, match="dealcast train"):
        engine.view()


def test_the_instant_is_the_hour_for_everybody(
    small: tuple[Engine, Registry], clock: Moving
) -> None:
    engine, _ = small
    clock.now += pd.Timedelta(hours=2)
    assert engine.refresh()
    first = engine.view()
    clock.now += pd.Timedelta(minutes=5)
    assert not engine.refresh()
    assert engine.view() is first
    assert first.instant == pd.Timestamp("2024-07-01 11:00", tz="UTC")


def test_an_import_of_this_hour_is_seen_whole(small: tuple[Engine, Registry]) -> None:
    engine, _ = small
    assert engine.refresh()
    assert engine.view().instant == pd.Timestamp("2024-07-01 09:00:30", tz="UTC")


def test_two_processes_choose_the_same_instant(
    small: tuple[Engine, Registry], clock: Moving
) -> None:
    engine, registry = small
    engine.refresh()
    clock.now += pd.Timedelta(minutes=17)
    other = Engine(engine.workspace, clock)
    other._tracker = registry  # type: ignore[assignment]
    assert other.refresh()
    assert other.view().as_of == engine.view().as_of


def test_open_deals_are_scored_anew_every_hour(
    small: tuple[Engine, Registry], clock: Moving
) -> None:
    engine, _ = small
    engine.refresh()
    history = engine.view().history
    clock.now += pd.Timedelta(hours=1)
    assert engine.refresh()
    assert engine.view().instant == clock.now.floor("h")
    assert engine.view().history is history


def test_an_import_is_served_without_a_restart(
    small: tuple[Engine, Registry], five_deals: Tables, clock: Moving
) -> None:
    engine, _ = small
    engine.refresh()
    before = engine.view()
    deals = five_deals.deals.iloc[[2]].assign(deal_id="N")
    Store(engine.workspace / "store").merge(Tables.of({"deals": deals}), "more", clock())
    assert engine.refresh()
    assert "N" in set(engine.view().deals["deal_id"])
    assert "N" not in set(before.deals["deal_id"])
    assert engine.view().data_version != before.data_version


def test_a_new_champion_is_served_without_a_restart(small: tuple[Engine, Registry]) -> None:
    engine, registry = small
    engine.refresh()
    registry.bundles["v2"] = replace(registry.bundles["v1"], version="v2")  # type: ignore[type-var]
    registry.champion = "v2"
    assert engine.refresh()
    assert engine.view().bundle.version == "v2"


@pytest.mark.parametrize("broken", [BundleError("half a file"), KeyError("stages")])
def test_a_broken_champion_is_refused_and_the_old_one_stays(
    small: tuple[Engine, Registry], broken: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    engine, registry = small
    engine.refresh()
    registry.bundles["v2"], registry.champion = broken, "v2"
    with caplog.at_level(logging.ERROR):
        assert not engine.refresh()
        assert not engine.refresh()
    assert len(caplog.records) == 1
    assert engine.view().bundle.version == "v1"
    assert any("cannot be loaded" in note for note in engine.view().notes)


def test_what_was_refused_is_served_once_it_is_mended(
    small: tuple[Engine, Registry], clock: Moving
) -> None:
    engine, registry = small
    engine.refresh()
    registry.bundles["v2"], registry.champion = BundleError("half a file"), "v2"
    engine.refresh()
    registry.bundles["v2"] = replace(registry.bundles["v1"], version="v2")  # type: ignore[type-var]
    clock.now += engines.RETRY + pd.Timedelta(seconds=1)
    assert engine.refresh()
    assert engine.view().bundle.version == "v2"
    assert not any("cannot be loaded" in note for note in engine.view().notes)


def test_going_back_to_the_old_champion_takes_the_warning_away(
    small: tuple[Engine, Registry],
) -> None:
    engine, registry = small
    engine.refresh()
    registry.bundles["v2"], registry.champion = BundleError("half a file"), "v2"
    engine.refresh()
    registry.champion = "v1"
    engine.refresh()
    assert not any("cannot be loaded" in note for note in engine.view().notes)


def test_another_instant_is_answered_by_a_model_that_knew_nothing_later(
    small: tuple[Engine, Registry], five_deals: Tables
) -> None:
    engine, registry = small
    engine.refresh()
    april = pd.Timestamp("2024-04-10", tz="UTC")
    old = train(History.of(five_deals), to_micros(april)).bundle
    registry.bundles["v0"] = replace(old, version="v0")
    assert engine.view(april).bundle.version == "v0"
    assert engine.view(april) is engine.view(april)
    assert engine.view(pd.Timestamp("2024-06-20", tz="UTC")).bundle.version == "v1"


def test_an_instant_after_now_is_refused(small: tuple[Engine, Registry], clock: Moving) -> None:
    engine, _ = small
    engine.refresh()
    with pytest.raises(FutureError):
        engine.view(clock() + pd.Timedelta(seconds=1))


def test_only_so_many_other_instants_are_kept(small: tuple[Engine, Registry]) -> None:
    engine, _ = small
    engine.refresh()
    for day in pd.date_range("2024-06-12", periods=engines.KEPT + 3, tz="UTC"):
        engine.view(day)
    assert len(engine.view().memo["others"]) == engines.KEPT


def test_stale_data_are_answered_at_their_end_and_said_so(
    small: tuple[Engine, Registry], clock: Moving
) -> None:
    engine, _ = small
    clock.now += FRESH + pd.Timedelta(days=20)
    engine.refresh()
    view = engine.view()
    assert view.as_of == default_as_of(view.history, clock())
    assert view.instant < clock() - FRESH
    assert any("stale" in note for note in view.notes)


def test_a_view_long_after_the_last_fact_says_that_the_data_are_stale(small_view: View) -> None:
    notes = View.of(
        small_view.history, small_view.bundle, "x", to_micros(to_time(small_view.as_of) + FRESH)
    ).notes
    assert any("stale" in note and "dealcast import" in note for note in notes)


def test_a_table_is_said_beside_every_answer(small_view: View) -> None:
    assert any("table" in note for note in small_view.notes)


def test_the_last_fact_is_one_that_was_known(small_view: View) -> None:
    ahead = View.of(
        small_view.history, small_view.bundle, "x", to_micros(pd.Timestamp("2024-02-04", tz="UTC"))
    )
    assert ahead.last_fact == pd.Timestamp("2024-02-01", tz="UTC")


def test_scores_are_kept_once_for_data_model_and_day(
    small: tuple[Engine, Registry], clock: Moving
) -> None:
    engine, _ = small
    engine.refresh()
    assert engine.keep_scores()
    clock.now += pd.Timedelta(hours=1)
    engine.refresh()
    assert engine.keep_scores()
    kept = engine.scores.of_deals(engine.view().deals["deal_id"].tolist())
    assert sorted(kept["deal_id"]) == sorted(engine.view().deals["deal_id"])
    assert set(kept["model_version"]) == {"v1"}


def test_scores_that_cannot_be_kept_trouble_nobody_and_are_tried_anew(
    small: tuple[Engine, Registry], caplog: pytest.LogCaptureFixture
) -> None:
    engine, _ = small
    engine.refresh()
    engine.scores.root.write_text("in the way of the folder")
    with caplog.at_level(logging.ERROR):
        assert not engine.keep_scores()
        assert not engine.keep_scores()
    assert len(caplog.records) == 1
    assert len(engine.view().deals)
    engine.scores.root.unlink()
    assert engine.keep_scores()
    assert engine.scores.days() == ["2024-07-01"]


@pytest.mark.slow
def test_the_engine_scores_as_the_command_line_does_to_the_last_bit(
    engine: Engine, firm: Path
) -> None:
    view = engine.view()
    history = History.of(Store(firm / "store").read())
    again = score(Tracker(firm).champion(), history, view.as_of)
    for name in again.frame.select_dtypes("number"):
        np.testing.assert_array_equal(again.frame[name], view.scored.frame[name])
