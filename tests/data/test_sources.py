from __future__ import annotations

import gzip
import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from data.sources import SourceError, raw_tables, read_source

DEALS = "deal_id,stage,created_at\n1,qualified,2024-01-01\n2,proposal,2024-01-02\n"


def folder_with(tmp_path, content, name="deals.csv"):
    data = content.encode() if isinstance(content, str) else content
    (tmp_path / name).write_bytes(data)
    return tmp_path


def problem(path):
    with pytest.raises(SourceError) as error:
        read_source(path)
    return str(error.value)


def test_csv_is_read_as_text_with_missing_values_where_empty(five_folder):
    raw = read_source(five_folder)
    deals = raw.tables["deals"].frame
    assert set(map(str, deals.dtypes)) == {"str"}
    assert deals["amount"].tolist()[:4] == ["1200", "500", "800", "300"]
    assert deals["amount"].isna().tolist() == [False, False, False, False, True]


def test_gzip_and_parquet_read_as_csv_does(five_folder, tmp_path):
    plain = read_source(five_folder)
    other = tmp_path / "other"
    other.mkdir()
    for name, table in plain.tables.items():
        if name == "deals":
            table.frame.to_parquet(other / "deals.parquet")
        else:
            table.frame.to_csv(other / f"{name}.csv.gz", index=False)
    for name, table in read_source(other).tables.items():
        pd.testing.assert_frame_equal(table.frame, plain.tables[name].frame)


def test_typed_parquet_becomes_the_text_a_csv_would_hold(tmp_path):
    frame = pd.DataFrame(
        {
            "deal_id": [1, 2],
            "stage": pd.Categorical(["a", "b"]),
            "created_at": pd.to_datetime(
                ["2024-01-01T00:00:00.5", "2024-01-02"], format="ISO8601"
            ),
            "closed_at": pd.to_datetime(["2024-01-05T07:00+07:00", None]),
            "amount": [5.0, np.nan],
            "is_won": pd.array([True, None], dtype="boolean"),
        }
    )
    frame.to_parquet(tmp_path / "deals.parquet")
    deals = read_source(tmp_path).tables["deals"].frame
    assert deals["deal_id"].tolist() == ["1", "2"]
    assert deals["stage"].tolist() == ["a", "b"]
    assert deals["created_at"][0].startswith("2024-01-01 00:00:00.5")
    assert deals["closed_at"][0].startswith("2024-01-05 00:00:00")
    assert deals["amount"][0] == "5"
    assert deals["amount"].isna()[1]
    assert deals["is_won"][0] == "true"


def test_text_that_looks_like_missing_elsewhere_is_kept(tmp_path):
    content = "deal_id,stage,created_at,region\n1,a,2024-01-01,NA\n2,b,2024-01-01,null\n"
    raw = read_source(folder_with(tmp_path, content))
    assert raw.tables["deals"].frame["region"].tolist() == ["NA", "null"]


def test_header_alone_is_a_table_without_rows(tmp_path):
    raw = read_source(folder_with(tmp_path, "deal_id,stage,created_at"))
    assert len(raw.tables["deals"].frame) == 0


def test_utf8_with_byte_order_mark_is_read(tmp_path):
    raw = read_source(folder_with(tmp_path, DEALS.encode("utf-8-sig")))
    assert raw.tables["deals"].frame.columns[0] == "deal_id"


def test_windows_line_ends_and_a_missing_last_one_are_read(tmp_path):
    raw = read_source(folder_with(tmp_path, DEALS.replace("\n", "\r\n").rstrip()))
    assert raw.tables["deals"].frame["created_at"].tolist() == ["2024-01-01", "2024-01-02"]


def test_rows_know_their_line_though_values_and_gaps_span_lines(tmp_path):
    content = 'deal_id,stage,created_at\n1,"two\nlines",2024-01-01\n\n2,b,2024-01-01\n\n'
    raw = read_source(folder_with(tmp_path, content))
    assert raw.tables["deals"].lines.tolist() == [2, 5]
    assert raw.tables["deals"].frame["stage"][0] == "two\nlines"


def test_gzip_of_several_members_is_read_whole(tmp_path):
    head, body = DEALS.split("\n", 1)
    packed = gzip.compress(f"{head}\n".encode()) + gzip.compress(body.encode())
    assert (
        len(read_source(folder_with(tmp_path, packed, "deals.csv.gz")).tables["deals"].frame) == 2
    )


def test_missing_folder_is_told(tmp_path):
    assert "no such folder" in problem(tmp_path / "nowhere")


def test_file_in_place_of_a_folder_is_told(tmp_path):
    folder_with(tmp_path, DEALS)
    assert "name the folder" in problem(tmp_path / "deals.csv")


def test_empty_folder_is_told_with_the_names_allowed(tmp_path):
    assert "deals.csv, deals.csv.gz, deals.parquet; found nothing" in problem(tmp_path)


def test_misspelt_deals_file_is_guessed(tmp_path):
    assert "did you mean `Deal.csv`?" in problem(folder_with(tmp_path, DEALS, "Deal.csv"))


def test_table_that_is_there_twice_is_told(tmp_path):
    folder_with(tmp_path, DEALS)
    folder_with(tmp_path, gzip.compress(DEALS.encode()), "deals.csv.gz")
    assert "2 times (deals.csv, deals.csv.gz); keep one" in problem(tmp_path)


def zipped():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("deals.csv", zipped(), "Excel"),
        ("deals.csv", b"\xd0\xcf\x11\xe0" + b"\0" * 100, "old Excel"),
        ("deals.csv", gzip.compress(DEALS.encode()), "name it .csv.gz"),
        ("deals.csv", b"PAR1" + b"\0" * 100, "name it .parquet"),
        ("deals.csv", DEALS.encode("utf-16"), "iconv -f utf-16 -t utf-8"),
        ("deals.csv", DEALS.encode("utf-16-le"), "binary"),
        ("deals.csv", b"", "is empty"),
        ("deals.csv", b"\xef\xbb\xbf \n\n", "is empty"),
        ("deals.csv.gz", DEALS.encode(), "is not a gzip file"),
        ("deals.csv.gz", gzip.compress(DEALS.encode() * 99)[:-20], "truncated gzip"),
        ("deals.csv.gz", gzip.compress(gzip.compress(DEALS.encode())), "is a gzip file"),
        ("deals.parquet", DEALS.encode(), "not a whole Parquet file"),
    ],
)
def test_file_that_is_something_else_is_told_with_its_remedy(tmp_path, name, content, told):
    message = problem(folder_with(tmp_path, content, name))
    assert told in message
    assert name in message


def test_latin_1_is_told_with_line_byte_and_remedy(tmp_path):
    content = (DEALS + "3,café,2024-01-01\n").encode("latin-1")
    message = problem(folder_with(tmp_path, content))
    assert f"line 4, byte {len(DEALS) + 6}" in message
    assert "iconv -f latin1 -t utf-8" in message


def test_latin_1_far_into_a_file_is_found_at_the_right_line(tmp_path):
    row = "1,ประชุม,2024-01-01\n".encode()
    lines = (40 << 20) // len(row)
    content = b"deal_id,stage,created_at\n" + row * lines + b"2,caf\xe9,2024-01-01\n"
    assert f"line {lines + 2}," in problem(folder_with(tmp_path, content))


def test_nul_byte_far_into_a_file_is_told_with_its_line(tmp_path):
    content = DEALS + "3,a,2024-01-01\n" * 9000 + "4,a\0,2024-01-01\n"
    assert "line 9004: a NUL byte" in problem(folder_with(tmp_path, content))


def test_a_hundred_megabytes_of_garbage_are_refused_from_the_first_block(tmp_path, monkeypatch):
    block = np.random.default_rng(0).integers(0, 256, 1 << 20, dtype=np.uint8).tobytes()
    (tmp_path / "deals.csv").write_bytes(b"x" + block * 100)
    monkeypatch.setattr("data.delimited._check_text", lambda _: pytest.fail("read it all"))
    assert "binary" in problem(tmp_path)


def test_missing_required_column_is_guessed(tmp_path):
    content = DEALS.replace("deal_id", "dealid").replace("created_at", "Created At")
    message = problem(folder_with(tmp_path, content))
    assert "did you mean `deal_id`? found `dealid`" in message
    assert "did you mean `created_at`? found `Created At`" in message


def test_missing_required_column_unlike_any_other_lists_what_was_found(tmp_path):
    message = problem(folder_with(tmp_path, "x,stage,created_at\n1,a,2024-01-01\n"))
    assert "`deal_id` is missing; found x, stage, created_at" in message


@pytest.mark.parametrize(("sign", "word"), [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators_are_told(tmp_path, sign, word):
    assert f"separated by {word}" in problem(folder_with(tmp_path, DEALS.replace(",", sign)))


def test_ragged_rows_are_told_by_line(tmp_path):
    content = DEALS + "3,a\n4,a,2024-01-01\n5,a,b,2024-01-01\n"
    message = problem(folder_with(tmp_path, content))
    assert "line 4 has 2 values; the header has 3" in message
    assert "line 6 has 4 values" in message


def test_many_ragged_rows_are_counted(tmp_path):
    assert "and 15 more lines" in problem(folder_with(tmp_path, DEALS + "3,a\n" * 20))


def test_quote_that_never_closes_is_told_instead_of_swallowing_the_file(tmp_path):
    content = DEALS.replace("proposal,2024-01-02", 'a,"2024-01-02') + "3,b,2024-01-03\n"
    assert "line 3: a quote is opened and never closed" in problem(folder_with(tmp_path, content))


def test_quotes_inside_a_value_are_no_problem(tmp_path):
    raw = read_source(folder_with(tmp_path, DEALS.replace("proposal", '5" pipe')))
    assert raw.tables["deals"].frame["stage"][1] == '5" pipe'


def test_column_that_is_there_twice_is_told(tmp_path):
    content = "deal_id,stage,created_at,x,x\n1,a,2024-01-01,,\n"
    assert "`x` stands 2 times" in problem(folder_with(tmp_path, content))
    content = "deal_id,stage,created_at,Tier,tier\n1,a,2024-01-01,,\n"
    assert "Tier, tier differ in capitals alone" in problem(folder_with(tmp_path, content))


def test_column_without_a_name_is_told(tmp_path):
    content = "deal_id,stage,created_at,\n1,a,2024-01-01,\n"
    assert "column 4 of the header has no name" in problem(folder_with(tmp_path, content))


def test_nested_parquet_column_is_told(tmp_path):
    frame = pd.DataFrame({"deal_id": ["1"], "stage": ["a"], "created_at": ["2024-01-01"]})
    frame.assign(tags=[["x", "y"]]).to_parquet(tmp_path / "deals.parquet")
    assert "column `tags` holds list" in problem(tmp_path)


def test_every_problem_of_every_file_is_told_at_once(tmp_path):
    folder_with(tmp_path, "deal_id,stge\n1,a\n")
    folder_with(tmp_path, b"", "owners.csv")
    folder_with(tmp_path, zipped(), "activities.csv")
    with pytest.raises(SourceError) as error:
        read_source(tmp_path)
    assert len(error.value.problems) == 4
    assert str(error.value).count("\n- ") == 4


def test_files_that_are_no_table_are_remembered(five_folder):
    (five_folder / "activites.csv").write_text("x\n", encoding="utf-8")
    (five_folder / "truth.json").write_text("{}", encoding="utf-8")
    assert read_source(five_folder).unread == ("activites.csv",)


def test_frames_in_memory_are_a_source_too(five_frames, five_deals):
    typed = raw_tables({"deals": five_deals.deals}, "request")
    assert typed.tables["deals"].frame["amount"].tolist()[0] == "1200"
    assert typed.tables["deals"].lines.tolist() == [1, 2, 3, 4, 5]


def test_unknown_or_incomplete_frames_in_memory_are_told():
    with pytest.raises(SourceError) as error:
        raw_tables({"deals": pd.DataFrame({"deal_id": ["1"]}), "x": pd.DataFrame()}, "request")
    assert "required column `stage` is missing" in str(error.value)
    assert "no table of the contract" in str(error.value)
