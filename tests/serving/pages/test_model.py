from serving.pages.model import PIPELINES, pipeline_rows
from training.metrics import Difference
from training.own_models import TOO_FEW, Tried

TRIED = (
    Tried("north", 3_000, gain=Difference(0.02, 0.005, 400)),
    Tried("south", 2_000, gain=Difference(0.002, 0.005, 300)),
    Tried("east", 80, TOO_FEW),
)


def test_each_pipeline_tells_which_model_answers_and_by_how_much_its_own_is_better() -> None:
    rows = pipeline_rows({"pipelines": [each.to_json() for each in TRIED]})
    assert [row["model_of"] for row in rows] == ["own", "all", "all"]
    assert [row["gain"] for row in rows] == [0.02, 0.002, None]
    assert (rows[0]["gain_low"], rows[0]["gain_high"]) == (0.01, 0.03)
    assert TOO_FEW in rows[2]["reason"]
    assert all(key in row for row in rows for column in PIPELINES for key in column.keys)


def test_a_firm_of_one_pipeline_is_told_nothing_of_pipelines() -> None:
    assert pipeline_rows({"pipelines": [TRIED[0].to_json()]}) == []
    assert pipeline_rows({}) == []
