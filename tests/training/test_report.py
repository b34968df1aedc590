from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.report import metrics, parameters, training_plots


def test_nothing_validated_gives_no_plots_and_no_metrics(trained, tmp_path):
    bare = replace(trained, verdict=None, out_of_time=None)
    assert training_plots(bare, tmp_path) == {}
    assert metrics(bare) == {}


def test_plots_are_pictures(trained, tmp_path):
    plots = training_plots(trained, tmp_path)
    assert set(plots) == {"reliability", "gain"}
    for path in plots.values():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_plots_of_a_window_without_a_win_are_drawn_all_the_same(trained, tmp_path):
    found = trained.out_of_time
    nobody = {h: np.zeros_like(labels) for h, labels in found.labels.items()}
    plots = training_plots(replace(trained, out_of_time=replace(found, labels=nobody)), tmp_path)
    assert all(path.exists() for path in plots.values())


def test_metrics_are_numbers_with_the_horizon_in_their_name(trained):
    found = metrics(trained)
    assert found["gain_over_table"] == trained.verdict.gain.mean
    assert {"log_loss_30d", "auc_90d", "calibration_slope"} <= set(found)
    assert all(isinstance(value, float) for value in found.values())


def test_parameters_name_the_cut_and_the_counts(trained, cut):
    found = parameters(trained.bundle)
    assert found["cut_microseconds"] == cut
    assert found["closed_deals"] == trained.bundle.card["closed_deals"]
    assert found["fingerprint"] == trained.bundle.fingerprint
    assert any(name.startswith("boosted.") for name in found)


@pytest.mark.parametrize("name", ["deals", "open_deals", "won_deals", "lost_deals", "snapshots"])
def test_parameters_hold_every_count_of_the_card(trained, name):
    assert parameters(trained.bundle)[name] == trained.bundle.card[name]
