from dataclasses import replace

import pandas as pd

from data.tables import Tables
from features.history import History
from serving.answers import forecast as answer
from serving.messages import ForecastRequest
from serving.pages.asked import Asked
from serving.pages.forecast import BY, forecast
from serving.view import View, to_micros
from training.fallback import Fallback
from training.train import train

FALLEN = Fallback("AutoETS", 0.25, 0.8)


def test_a_forecast_that_falls_back_says_so(five_deals: Tables, now: pd.Timestamp) -> None:
    history = History.of(five_deals)
    view = View.of(history, train(history, to_micros(now)).bundle, "five", to_micros(now))
    asked = ForecastRequest(period="month", periods=3, by=list(BY))
    before = answer(view, asked)
    assert FALLEN.said not in before["notes"]

    outlook = replace(view.outlook("month", 3, BY), fallback=FALLEN)
    view.memo["outlook", "month", 3, BY] = outlook
    assert answer(view, asked)["notes"] == [*before["notes"], FALLEN.said]
    page = forecast(view, Asked("/forecast", {"kind": "month"}, now))
    assert page["fallback"] == FALLEN
    assert FALLEN.said not in answer(view, ForecastRequest(period="month", periods=4))["notes"]
