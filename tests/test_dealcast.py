"""The command line, run inside the tests' process; processes that die are another file's."""

from __future__ import annotations

import json
import random
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dealcast
from data.demo import World, simulate, write
from data.store import Store
from serving.records import open_records
from serving.records_feedback import Said, add_feedback
from serving.scores import Scores

# What MLflow asks of SQLAlchemy is its own affair.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")
TRAINED = pytest.mark.slow


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def run_with(capture, *arguments):
    before = sys.argv
    sys.argv = ["dealcast", *map(str, arguments)]
    capture.readouterr()
    code = 0
    try:
        dealcast.main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    captured = capture.readouterr()
    assert "Traceback" not in captured.err
    return Done(code, captured.out, captured.err)


@pytest.fixture
def workspace(tmp_path):
    return tmp_path / "workspace"


@pytest.fixture
def run(capsys, workspace):
    """Run a command in a workspace of its own."""
    return lambda *arguments: run_with(capsys, "--workspace", workspace, *arguments)


def written(folder, frames):
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture
def source(five_frames, tmp_path):
    """Write the five deals, with changes made to them, as a source."""

    def make(change=lambda _: None, name="changed"):
        frames = {key: frame.copy() for key, frame in five_frames.items()}
        change(frames)
        return written(tmp_path / name, frames)

    return make


def setter(table, row, column, value):
    def change(frames):
        frames[table].loc[row, column] = value

    return change


def without(table, column):
    def change(frames):
        frames[table] = frames[table].drop(columns=column)

    return change


def repeat_a_deal(frames):
    deals = frames["deals"]
    frames["deals"] = pd.concat([deals, deals.iloc[[0]].assign(amount="7")])


BAD_ROWS = {
    "a date in the future": (
        setter("deal_history", 4, "changed_at", "2090-01-01"),
        ["deal_history.csv", "changed_at", "future", "row 6", "2090-01-01"],
    ),
    "a date of no age": (
        setter("deals", 2, "created_at", "2999-01-01"),
        ["deals.csv", "created_at", "1970", "row 4", "correct the year"],
    ),
    "an unknown deal in the history": (
        setter("deal_history", 3, "deal_id", "NOBODY"),
        ["deal_history.csv", "deal_id", "no such deal", "row 5", "NOBODY", "bring the deal"],
    ),
    "a repeated id": (
        repeat_a_deal,
        ["deals.csv", "deal_id", "same identifier", "row 7", "'W'", "keep one"],
    ),
    "an amount of 1e18": (
        setter("deals", 2, "amount", "1e18"),
        ["deals.csv", "amount", "above 1e+15", "row 4", "1e18", "correct the amount"],
    ),
    "a deal closed before it was created": (
        setter("deals", 0, "closed_at", "2023-01-01"),
        ["deals.csv", "closed_at", "before it was created", "row 2", "correct closed_at"],
    ),
    "a stage that appears nowhere else": (
        setter("deals", 2, "stage", "Zurückgestellt"),
        ["deals.csv", "stage", "nowhere else", "row 4", "Zurückgestellt", "stages.csv"],
    ),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_bad_row_is_told_with_file_column_row_and_remedy_and_nothing_is_stored(
    run, source, workspace, kind
):
    change, words = BAD_ROWS[kind]
    done = run("import", source(change))
    assert done.code == 1
    assert [word for word in words if word not in done.err] == []
    assert done.err.count("error:") == 1
    assert "--skip-rejected" in done.err
    assert not Store(workspace / "store").exists()


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_bad_row_leaves_the_store_as_it_was_unless_told_to_skip_it(run, source, workspace, kind):
    run("import", source())
    store = Store(workspace / "store")
    before = store.version()
    bad = source(BAD_ROWS[kind][0], "bad")
    assert run("import", bad).code == 1
    assert store.version() == before
    done = run("import", bad, "--skip-rejected")
    assert done.code == 0
    assert len(store.read().deals) == 5


def make_empty(folder):
    folder.mkdir()


def lack_a_column(folder):
    (folder / "deals.csv").write_text("deal_id,created_at\n1,2024-01-01\n", encoding="utf-8")


def really_a_zip(folder):
    with zipfile.ZipFile(folder / "new", "w") as archive:
        archive.writestr("deals.csv", "deal_id,stage,created_at\n")
    (folder / "new").replace(folder / "deals.csv")


def latin_1(folder):
    text = (folder / "accounts.csv").read_text(encoding="utf-8").replace("Greece", "Grèce")
    (folder / "accounts.csv").write_bytes(text.encode("latin-1"))


def garbage(folder):
    # 5 MB here; 100 MB fail the same way, for only the first bytes are looked at.
    (folder / "deals.csv").write_bytes(random.Random(0).randbytes(5_000_000))


def garbage_of_letters(folder):
    letters = random.Random(0).choices("abcdefgh ,\n", k=500_000)
    (folder / "deals.csv").write_text("".join(letters), encoding="utf-8")


BAD_FILES = {
    "a required column is missing": (lack_a_column, ["deals.csv", "column `stage`", "found"]),
    "a CSV that is really a zip": (really_a_zip, ["deals.csv", "zip", "save it as CSV in UTF-8"]),
    "a latin-1 file": (latin_1, ["accounts.csv", "line 2", "iconv -f latin1 -t utf-8"]),
    "binary garbage": (garbage, ["deals.csv", "binary", "export the table as CSV"]),
    "garbage of letters": (garbage_of_letters, ["deals.csv", "column"]),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_file_is_told_with_its_remedy_and_the_store_stays(run, source, workspace, kind):
    run("import", source())
    before = Store(workspace / "store").version()
    spoil, words = BAD_FILES[kind]
    folder = source(name="spoilt")
    spoil(folder)
    done = run("import", folder)
    assert done.code == 1
    assert [word for word in words if word not in done.err] == []
    assert done.err.count("error:") == 1
    assert len(done.err.splitlines()) < 15
    assert Store(workspace / "store").version() == before


def test_empty_folder_is_told_with_the_files_looked_for(run, tmp_path):
    (tmp_path / "empty").mkdir()
    done = run("import", tmp_path / "empty")
    assert done.code == 1
    assert "deals.csv" in done.err


def test_folder_that_is_not_there_is_told(run, tmp_path):
    done = run("check", tmp_path / "nowhere")
    assert done.code == 1
    assert "no such folder" in done.err


def test_every_problem_of_a_source_is_told_at_once(run, source):
    def spoil(frames):
        for change, _ in BAD_ROWS.values():
            change(frames)

    done = run("import", source(spoil))
    assert done.code == 1
    for word in ("1e18", "NOBODY", "same identifier", "before it was created"):
        assert word in done.err


def test_check_tells_what_an_import_would_and_writes_nothing(run, source, workspace):
    good = run("check", source())
    assert good.code == 0
    assert "deal_history" in good.out
    bad = run("check", source(BAD_ROWS["an amount of 1e18"][0], "bad"), "--json")
    assert bad.code == 1
    told = json.loads(bad.out)
    assert told["rejected"][0]["rule"]
    assert told["rejected"][0]["row"] == 4
    assert not workspace.exists()


def test_importing_twice_gives_the_same_version(run, five_folder):
    first, second = run("import", five_folder), run("import", five_folder)
    assert first.code == second.code == 0
    assert "5 deals, 16 deal_history" in first.out
    assert first.out.split("version")[1] == second.out.split("version")[1]


@pytest.mark.parametrize("command", ["train", "score", "rank", "forecast"])
def test_without_a_store_the_command_to_run_is_told(run, workspace, command):
    done = run(command)
    assert done.code == 1
    assert "dealcast import" in done.err
    assert not workspace.exists()


@pytest.mark.parametrize("command", ["score", "rank", "forecast"])
def test_without_a_model_the_command_to_run_is_told(run, five_folder, command):
    run("import", five_folder)
    done = run(command)
    assert done.code == 1
    assert "dealcast train" in done.err


BAD_ARGUMENTS = {
    "no command": [],
    "an unknown command": ["guess"],
    "an unknown option": ["score", "--nonsense"],
    "a missing argument": ["import"],
    "a number that is none": ["rank", "--top", "many"],
    "a number out of range": ["rank", "--top", "0"],
    "too many periods": ["forecast", "--periods", "99"],
    "an unknown period": ["forecast", "--period", "week"],
    "an unknown dimension": ["forecast", "--by", "owner,colour"],
    "an unknown ending": ["score", "--out", "scores.xlsx"],
    "an instant in the future": ["score", "--as-of", "2190-01-01"],
    "a date that is none": ["score", "--as-of", "2024-02-30"],
    "a word for a date": ["train", "--as-of", "soon"],
    "nothing for a date": ["score", "--as-of", "NaT"],
    "a number for a date": ["score", "--as-of", "-1"],
    "an unknown action": ["features", "guess"],
    "changes since nothing": ["changes"],
    "changes since after the as-of": ["changes", "--since", "2024-05-02", "--as-of", "2024-05-01"],
    "changes of no period": ["changes", "--since", "2024-05-02", "--period", "2024-13"],
    "changes by colour": ["changes", "--since", "2024-05-02", "--by", "colour"],
}


@pytest.mark.parametrize("kind", BAD_ARGUMENTS)
def test_bad_argument_ends_with_two_and_says_why(run, five_folder, kind):
    run("import", five_folder)
    done = run(*BAD_ARGUMENTS[kind])
    assert done.code == 2
    assert "rror: " in done.err
    assert done.out == ""


def test_unknown_key_of_the_settings_is_told_with_those_allowed(run, five_folder, workspace):
    run("import", five_folder)
    (workspace / "dealcast.toml").write_text("colour = 1\n", encoding="utf-8")
    done = run("train")
    assert done.code == 1
    assert "colour" in done.err
    assert "fiscal_year_start_month" in done.err


def test_workspace_that_is_a_file_is_told(run, five_folder, workspace):
    workspace.write_text("I am a file", encoding="utf-8")
    done = run("import", five_folder)
    assert done.code == 1
    assert "check the path" in done.err


def test_training_before_the_first_deal_says_when_that_was(run, five_folder):
    run("import", five_folder)
    done = run("train", "--as-of", "2020-01-01")
    assert done.code == 1
    assert "2024-01-08" in done.err


def test_help_names_every_command(run):
    done = run("--help")
    assert done.code == 0
    for command in ("import", "check", "train", "score", "rank", "forecast", "serve", "demo"):
        assert command in done.out


def test_catalogue_is_printed_for_people_programs_and_the_documentation(run):
    rows = json.loads(run("features", "--json").out)
    assert {"family", "name", "unit", "meaning"} <= set(rows[0])
    assert rows[0]["name"] in run("features").out
    assert f"`{rows[0]['name']}`" in run("features", "--markdown").out


@pytest.fixture(scope="module")
def five(tmp_path_factory, request):
    """The five deals, with an owner and an account of other scripts, imported and trained on."""
    folder = tmp_path_factory.mktemp("five")
    conftest = request.config.pluginmanager.getplugin(str(Path(__file__).parent / "conftest.py"))
    frames = {
        name: conftest.table(getattr(conftest, name.upper()))
        for name in ("deals", "deal_history", "activities", "accounts", "owners", "stages")
    }
    frames["owners"].loc[0, "name"] = "Ζωή Παπαδοπούλου"
    frames["accounts"]["name"] = ["شركة التوريد", "บริษัท", "Müller & Söhne 🙂"]
    written(folder / "source", frames)
    capture = MutedCapture()
    for command in (["import", folder / "source"], ["train"]):
        assert run_with(capture, "--workspace", folder / "workspace", *command).code == 0
    return folder / "workspace"


class MutedCapture:
    """Stands in for capsys where a fixture of the module runs a command."""

    @staticmethod
    def readouterr():
        return Done(0, "", "")


@pytest.fixture
def ask(capsys, five):
    """Run a command on the five deals that were trained on."""
    return lambda *arguments: run_with(capsys, "--workspace", five, *arguments)


@TRAINED
def test_scores_of_now_are_kept_for_the_daily_history_and_of_another_day_not(ask, five):
    kept = Scores(five)
    before = len(kept.of_deals(["O"]))
    assert ask("score", "--as-of", "2024-04-10").code == 0
    assert len(kept.of_deals(["O"])) == before
    for _ in range(2):
        assert ask("score").code == 0
    assert len(kept.of_deals(["O"])) == 1


@TRAINED
def test_few_closed_deals_are_served_by_the_table_and_the_user_is_told(ask):
    for command in (["score"], ["rank"]):
        done = ask(*command)
        assert done.code == 0
        assert "only 3 closed deals are known" in done.out
    assert "tier table" in ask("score").out


@TRAINED
def test_training_says_why_the_table_is_served_and_who_is_champion(ask):
    done = ask("train", "--as-of", "2024-03-01")
    assert done.code == 0
    assert "tier table" in done.out
    assert "not champion" in done.out
    told = json.loads(ask("train", "--json").out)
    assert told["tier"] == "table"
    assert told["closed_deals"] == 3


@TRAINED
def test_old_data_are_answered_as_of_their_end_with_the_last_day_counted_whole(ask):
    done = ask("score")
    assert "last fact is of 2024-04-03: answering as of 2024-04-04" in done.err
    assert "as of 2024-04-04 00:00 UTC" in done.out


@TRAINED
def test_names_in_any_script_are_printed(ask):
    ranked = ask("rank").out
    assert "in “proposal”" in ranked
    told = json.loads(ask("rank", "--json").out)
    assert {row["deal_id"] for row in told} == {"O", "R", "S"}
    assert "Ζωή Παπαδοπούλου" in ask("rank", "--json").out


@TRAINED
def test_owner_is_found_by_name_in_any_case(ask):
    rows = [
        json.loads(ask("rank", "--json", "--owner", n).out) for n in ("ann", "ζωή παπαδοπούλου")
    ]
    assert rows[0] == rows[1]
    assert [row["deal_id"] for row in rows[0]] == ["O"]


@TRAINED
@pytest.mark.parametrize("asked", [["--owner", "bobb"], ["--team", "nort"]])
def test_unknown_name_is_told_with_the_names_like_it(ask, asked):
    done = ask("rank", *asked)
    assert done.code == 1
    assert "did you mean" in done.err
    assert {"bobb": "bob", "nort": "north"}[asked[1]] in done.err.lower()


@TRAINED
@pytest.mark.parametrize("command", [["score"], ["rank"], ["forecast", "--by", "owner"]])
def test_json_is_valid_and_alone_on_the_output(ask, command):
    done = ask(*command, "--json")
    rows = json.loads(done.out)
    assert done.code == 0
    assert isinstance(rows[0], dict)


@TRAINED
def test_forecast_has_the_columns_it_should(ask):
    rows = json.loads(ask("forecast", "--period", "quarter", "--by", "owner", "--json").out)
    assert list(rows[0]) == [
        *("as_of", "period", "scope", "scope_id", "booked", "open", "new"),
        *("mean", "p10", "p50", "p90", "target", "gap", "p_target"),
    ]
    assert {row["scope"] for row in rows} == {"total", "open", "owner"}
    assert rows[0]["period"] == "2024-Q2"


@TRAINED
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_scores_are_written_whole_and_nothing_else_is(ask, tmp_path, ending):
    file = tmp_path / "deep" / "er" / f"scores.{ending}"
    done = ask("score", "--out", file)
    assert done.code == 0
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    frame = pd.read_csv(file) if ending == "csv" else pd.read_parquet(file)
    assert sorted(frame["deal_id"]) == ["O", "R", "S"]
    assert {"p_won_90", "p_lost_90", "expected_revenue_90", "reasons", "tier"} <= set(frame)


@TRAINED
def test_numbers_are_the_same_in_json_csv_and_parquet(ask, tmp_path):
    for ending in ("csv", "parquet"):
        ask("score", "--out", tmp_path / f"s.{ending}")
    table = pd.read_parquet(tmp_path / "s.parquet")
    assert pd.read_csv(tmp_path / "s.csv")["p_won_90"].tolist() == table["p_won_90"].tolist()
    told = [row["p_won_90"] for row in json.loads(ask("score", "--json").out)]
    assert told == pytest.approx(table["p_won_90"].tolist(), abs=1e-14)


@TRAINED
def test_scores_that_cannot_be_written_are_told_and_leave_nothing_half(ask, tmp_path):
    (tmp_path / "taken.csv").mkdir()
    done = ask("score", "--out", tmp_path / "taken.csv")
    assert done.code == 1
    assert "check the path" in done.err


@TRAINED
def test_forecast_says_what_it_counts(ask):
    done = ask("forecast")
    assert "3 open deals, all counted; 1 of them without amount" in done.out


@TRAINED
def test_lines_of_the_forecast_count_every_open_deal_once(ask, tmp_path):
    rows = json.loads(ask("forecast", "--lines", "--json", "--out", tmp_path / "d.csv").out)
    assert sum(row["deals"] for row in rows) == 3
    assert sorted(pd.read_csv(tmp_path / "d.csv")["deal_id"]) == ["O", "R", "S"]


@TRAINED
@pytest.mark.parametrize("period", ["quarter", "month", "2024-Q1"])
def test_changes_add_up_to_the_cent(ask, period):
    asked = ("changes", "--since", "2024-03-01", "--period", period, "--by", "owner")
    found = json.loads(ask(*asked, "--json").out)
    total = found["begin"] + sum(bar["change"] for bar in found["bars"])
    assert round(total, 2) == found["end"]
    moved = sum(round(100 * deal["change"]) for deal in found["deals"])
    assert moved == round(100 * (found["end"] - found["begin"]))
    assert {"owner_id", "begin", "end", "bars"} == set(found["owners"][0])


@TRAINED
def test_changes_are_told_to_people_with_the_deals_behind_them(ask, tmp_path):
    done = ask("changes", "--since", "2024-03-01", "--period", "2024-Q1", "--by", "owner")
    assert done.code == 0
    for words in ("what changed in 2024-Q1 (revenue) from 2024-03-01", "won: ", "by owner"):
        assert words in done.out
    ask("changes", "--since", "2024-03-01", "--out", tmp_path / "deals.parquet")
    assert {"bar", "deal_id", "change"} <= set(pd.read_parquet(tmp_path / "deals.parquet"))


@TRAINED
def test_changes_of_a_period_out_of_reach_say_which_can_be_told(ask):
    done = ask("changes", "--since", "2024-03-01", "--period", "2099-Q1")
    assert done.code == 1
    assert "cannot be forecast" in done.err


def test_judgement_is_scored_where_the_history_has_it(run, tmp_path):
    end = pd.Timestamp("2024-04-10", tz="UTC")
    made = simulate(World.demo(), deals=400, years=1, end=end, seed=4)
    write(made, tmp_path / "crm")
    assert run("import", tmp_path / "crm").code == 0
    found = json.loads(run("judgement", "--quarters", "2", "--json").out)
    assert {row["period"] for row in found["rows"]} == {"2023-Q4", "2024-Q1"}
    assert 0 <= found["firm"]["won"] <= found["firm"]["deals"]
    # No model is registered: those judged were learned as of the quarters.
    assert found["refitted"] == ["2023-Q4", "2024-Q1"]
    assert found["firm"]["compared"]["model"] == 2
    told = run("judgement", "--quarters", "2", "--no-refit").out
    assert "committed deals were won in their quarter" in told
    assert "none was learned for them" in told


def test_commits_made_in_the_service_are_scored_too(run, five_folder, workspace):
    run("import", five_folder)
    said = {"by": "ann", "kind": "commit", "model_version": "1", "data_version": "1"}
    for day, value in ((10, 900.0), (20, 1500.0)):
        at = pd.Timestamp(f"2024-01-{day}", tz="UTC").to_pydatetime()
        records = open_records(workspace)
        add_feedback(records, Said(**said, at=at, value=value, owner_id="ann", period="2024-Q1"))
        records.close()
    asked = ("judgement", "--as-of", "2024-05-01", "--json", "--day")
    for day, value in (("15", 900.0), ("30", 1500.0)):
        (row,) = json.loads(run(*asked, day).out)["rows"]
        assert (row["owner_id"], row["stated"], row["actual"]) == ("ann", value, 1200.0)


def test_history_without_judgement_is_told_where_it_would_be_read(run, five_folder):
    run("import", five_folder)
    done = run("judgement")
    assert done.code == 1
    assert "forecast_category" in done.err


@TRAINED
def test_promoting_what_is_not_there_is_told_and_the_champion_stays(ask):
    assert ask("promote", "99").code == 1
    assert ask("score").code == 0
    assert "now the champion" in ask("promote", "1").out


@TRAINED
def test_answer_before_the_models_time_says_that_it_is_no_fair_test(ask):
    done = ask("score", "--as-of", "2024-02-25")
    assert done.code == 0
    assert "no fair test" in done.err


@TRAINED
def test_broken_bundle_is_told_and_training_again_mends_it(run, five_folder, workspace):
    for command in (["import", five_folder], ["train"]):
        assert run(*command).code == 0
    for file in workspace.glob("mlartifacts/**/close.json"):
        file.write_text("{", encoding="utf-8")
    done = run("score")
    assert done.code == 1
    assert "dealcast train" in done.err
    again = run("train")
    assert again.code == 0
    assert "champion: the champion before it cannot be read" in again.out
    assert run("score").code == 0


CUT = pd.Timestamp("2024-04-01", tz="UTC")


def as_known(tables, cut):
    """A CRM's export as it was at an instant."""
    history = tables["deal_history"]
    history = history[history["recorded_at"] < cut]
    activities = tables["activities"]
    stage = history[history["property"] == "stage"].drop_duplicates("deal_id", keep="last")
    stage = stage.set_index("deal_id")["value"]
    deals = tables["deals"]
    deals = deals[deals["deal_id"].isin(stage.index)]
    now = deals["deal_id"].map(stage)
    closed = now.isin(["closed_won", "closed_lost"])
    return tables | {
        "deal_history": history,
        "activities": activities[
            (activities["recorded_at"] < cut) & activities["deal_id"].isin(deals["deal_id"])
        ],
        "deals": deals.assign(
            stage=now,
            closed_at=deals["closed_at"].where(closed),
            is_won=deals["is_won"].where(closed),
            amount=np.nan,
        ),
    }


@pytest.fixture(scope="module")
def demo_sources(tmp_path_factory):
    """A demo firm's export at the cut, and three months later."""
    end = pd.Timestamp("2024-07-01", tz="UTC")
    whole = simulate(World.demo(seed=7), deals=300, years=1.5, end=end, seed=7)
    past = replace(whole, tables=as_known(whole.tables, CUT))
    folder = tmp_path_factory.mktemp("demo")
    for name, simulated in (("past", past), ("whole", whole)):
        write(simulated, folder / name)
    return folder


@TRAINED
def test_scores_as_of_a_day_are_the_same_before_and_after_later_facts_come(
    run, demo_sources, tmp_path
):
    day = "2024-04-01"
    assert run("import", demo_sources / "past").code == 0
    assert run("train", "--as-of", day).code == 0
    assert run("score", "--as-of", day, "--out", tmp_path / "then.csv").code == 0
    assert run("import", demo_sources / "whole").code == 0
    assert run("score", "--as-of", day, "--out", tmp_path / "now.csv").code == 0
    then, now = (tmp_path / f"{name}.csv" for name in ("then", "now"))
    frames = [pd.read_csv(file).sort_values("deal_id", ignore_index=True) for file in (then, now)]
    assert len(frames[0]) > 10
    pd.testing.assert_frame_equal(frames[0], frames[1], check_exact=True)


@TRAINED
def test_demo_runs_to_its_end(run, workspace):
    done = run("demo", "--no-serve", "--deals", "200", "--seed", "3")
    assert done.code == 0
    for words in ("imported", "tier ", "champion: ", "should work today", "forecast: revenue"):
        assert words in done.out
    assert (workspace / "demo-crm" / "truth.json").exists()
