"""The tables of who buys and who sells: accounts, contacts, owners, stages."""

import numpy as np
import pandas as pd

from data.demo import lexicon, names
from data.demo.accounts import Accounts
from data.demo.calendar import Ints
from data.demo.firm import Firm
from data.demo.stamps import Stamps, labels, pick
from data.demo.world import World

CHIEF_TITLES = ("CEO", "CFO", "Directrice générale", "代表取締役", "المدير العام", "กรรมการผู้จัดการ")
TITLES = (
    ("VP Operations", "VP Sales", "Заместитель директора"),
    ("Head of IT", "Einkaufsleiterin", "Διευθυντής πωλήσεων"),
    ("Project manager", "Buyer", "ผู้จัดการโครงการ"),
    ("Engineer", "Assistant", "Comptable", "担当者"),
)


def tables(firm: Firm, rng: np.random.Generator, stamps: Stamps) -> dict[str, pd.DataFrame]:
    """Make the tables accounts, contacts, owners and stages."""
    known = firm.book.pool.head(firm.book.size)
    return {
        "accounts": _accounts(known, rng),
        "contacts": _contacts(known, rng),
        "owners": _owners(firm, rng, stamps),
        "stages": stages(firm.world),
    }


def contact_starts(accounts: Accounts) -> Ints:
    """Position of each account's first contact among all contacts."""
    return np.asarray(np.cumsum(accounts.people) - accounts.people)


def stages(world: World) -> pd.DataFrame:
    """Stages of every pipeline, the two closed ones last."""
    rows = [
        (pipeline, stage, position, outcome)
        for pipeline, names_ in world.stages.items()
        for position, (stage, outcome) in enumerate(
            [*((n, "open") for n in names_), (lexicon.WON, "won"), (lexicon.LOST, "lost")]
        )
    ]
    frame = pd.DataFrame(rows, columns=["pipeline", "stage", "position", "outcome"])
    return frame.astype({"position": "float64"})


def _accounts(known: Accounts, rng: np.random.Generator) -> pd.DataFrame:
    """Accounts as entered: some figures were never looked up."""
    size = len(known)
    revenue = np.round(known.employees * 120_000 * np.exp(rng.normal(0, 0.5, size)), -3)
    industry = pick(pd.Series(lexicon.INDUSTRIES, dtype="str"), known.industry)
    return pd.DataFrame(
        {
            "account_id": labels("A", size),
            "name": names.firms(known.region, rng),
            "industry": industry.where(rng.random(size) > 0.05),
            "employees": np.where(rng.random(size) > 0.10, known.employees, np.nan),
            "annual_revenue": np.where(rng.random(size) > 0.25, revenue, np.nan),
            "region": pick(pd.Series(lexicon.REGIONS, dtype="str"), known.region),
        }
    )


def _contacts(known: Accounts, rng: np.random.Generator) -> pd.DataFrame:
    """Contacts of each account in the order in which they get involved."""
    account = np.repeat(np.arange(len(known)), known.people)
    place = np.arange(len(account)) - contact_starts(known)[account]
    level = rng.integers(1, len(lexicon.SENIORITIES), len(account))
    level[place == known.chief[account]] = 0
    title = np.empty(len(account), dtype=object)
    for code, options in enumerate((CHIEF_TITLES, *TITLES)):
        mine = level == code
        title[mine] = rng.choice(np.array(options, dtype=object), mine.sum())
    return pd.DataFrame(
        {
            "contact_id": labels("C", len(account)),
            "account_id": pick(labels("A", len(known)), account),
            "name": names.persons(known.region[account], rng),
            "title": pd.Series(title, dtype="str"),
            "seniority": pick(pd.Series(lexicon.SENIORITIES, dtype="str"), level),
        }
    )


def _owners(firm: Firm, rng: np.random.Generator, stamps: Stamps) -> pd.DataFrame:
    """Owners with their team; the managers, who come first, report to nobody."""
    owners = firm.owners
    size = len(owners.team)
    ids = labels("O", size)
    manager = pick(ids, owners.team).where(np.arange(size) >= firm.world.teams)
    region = rng.integers(0, len(lexicon.REGIONS), size)
    return pd.DataFrame(
        {
            "owner_id": ids,
            "name": names.persons(region, rng),
            "email": (ids.str.lower() + "@dealcast.example").astype("str"),
            "team": pick(pd.Series(lexicon.TEAMS, dtype="str"), owners.team),
            "manager_id": manager,
            "hired_at": stamps.at(owners.hired, np.full(size, 8 * 3.6e9)),
        }
    )
