from data.tables import Tables
from experiments.page_speed import many
from features.history import History


def test_the_large_firm_repeats_the_open_deals_with_all_that_belongs_to_them(
    five_deals: Tables,
) -> None:
    told = many(five_deals, ["O", "R"], 5)
    assert sorted(told.deals["deal_id"]) == ["O-0", "O-1", "O-2", "R-0", "R-1", "R-2"]
    assert told.activities["activity_id"].is_unique
    one = five_deals.deal_history["deal_id"].isin(["O", "R"]).sum()
    assert len(told.deal_history) == 3 * one
    assert History.of(told).size == 6
