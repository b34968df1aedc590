"""What is odd but accepted: counted, told, never a reason to reject a row."""

from __future__ import annotations

from data.columns import alike
from data.contract import CONTRACT
from data.findings import Findings
from data.links import OF_DEALS, Links, lookup, same_precision, stage_uses, within

REFERENCES = (
    ("deals", "account_id", "accounts", "account_id"),
    ("deals", "owner_id", "owners", "owner_id"),
    ("activities", "contact_id", "contacts", "contact_id"),
    ("activities", "owner_id", "owners", "owner_id"),
    ("contacts", "account_id", "accounts", "account_id"),
    ("owners", "manager_id", "owners", "owner_id"),
    ("targets", "owner_id", "owners", "owner_id"),
)
HAPPENED = {"deal_history": "changed_at", "activities": "occurred_at"}


def tell_oddities(links: Links, findings: Findings) -> None:
    """Warn of everything that is unusual in the accepted rows."""
    _tell_misread(findings)
    _tell_references(links, findings)
    _tell_unlisted_stages(links, findings)
    _tell_order_of_times(links, findings)
    _tell_history_against_deals(links, findings)
    missing = links.frames["deals"]["amount"].isna().sum()
    findings.warn("deals", "missing_amount", missing, f"{missing} deals have no amount")


def _tell_misread(findings: Findings) -> None:
    """Files that are no table, custom columns that look like a column of the contract."""
    for file in findings.raw.unread:
        findings.warn(file, "unread_file", 1, f"{file} is no table of the contract; not read")
    for name, raw in findings.raw.tables.items():
        absent = [column for column in CONTRACT[name].names if column not in raw.frame]
        for custom in raw.frame.columns.difference(list(CONTRACT[name].names)):
            if meant := alike(custom, absent, 0.85):
                message = f"`{custom}` is read as a custom column; did you mean `{meant}`?"
                findings.warn(name, "looks_like", 1, message)


def _tell_references(links: Links, findings: Findings) -> None:
    """Warn of references that lead nowhere, where the table they lead to is there at all."""
    for table, column, target, key in REFERENCES:
        known = links.both(target)[key]
        if len(known):
            values = links.frames[table][column]
            lost = (values.notna() & ~within(values, known)).sum()
            message = f"{lost} rows have a {column} that {target} does not hold"
            findings.warn(table, f"unknown_{column}", lost, message)


def _tell_unlisted_stages(links: Links, findings: Findings) -> None:
    listed = links.listed_stages()
    if not listed:
        return
    uses = stage_uses(links)
    users = uses[~uses["stage"].isin(listed)].groupby("stage")["deal_id"].nunique()
    for stage, deals in users.items():
        message = f"stage {stage!r} is not in stages, used by {deals} deals"
        findings.warn("stages", "unlisted_stage", deals, message)


def _tell_order_of_times(links: Links, findings: Findings) -> None:
    deals = links.both("deals").dropna(subset="deal_id")
    for name in OF_DEALS:
        frame, column = links.frames[name], HAPPENED[name]
        created = lookup(frame["deal_id"], deals["deal_id"], deals["created_at"])
        happened, created = same_precision(frame[column], created)
        early = (happened < created).sum()
        message = f"{early} rows have a {column} before their deal was created"
        findings.warn(name, "before_created", early, message)
    history = links.frames["deal_history"]
    early = (history["recorded_at"] < history["changed_at"]).sum()
    message = f"{early} changes were recorded before they were made"
    findings.warn("deal_history", "recorded_before_changed", early, message)


def _tell_history_against_deals(links: Links, findings: Findings) -> None:
    deals, rows = links.frames["deals"], links.stage_rows()
    rows = rows[within(rows["deal_id"], deals["deal_id"])]
    last = rows[rows["changed_at"] == rows.groupby("deal_id")["changed_at"].transform("max")]
    agreed = deals.merge(last, on=["deal_id", "stage"])["deal_id"]
    differs = (within(deals["deal_id"], last["deal_id"]) & ~within(deals["deal_id"], agreed)).sum()
    message = f"{differs} deals are in another stage than the last of their history"
    findings.warn("deals", "stage_differs", differs, message)
    closings = rows[rows["stage"].isin(links.closed_stages())].sort_values("changed_at")
    closings = closings.drop_duplicates("deal_id", keep="last")
    ended = lookup(deals["deal_id"], closings["deal_id"], closings["changed_at"])
    closed, ended = same_precision(deals["closed_at"], ended)
    differs = (closed.notna() & ended.notna() & (closed != ended)).sum()
    message = f"{differs} deals have a closed_at that is not the closing time of their history"
    findings.warn("deals", "closed_at_differs", differs, message)
