"""No rep reads another's deal: every address of the API and every page, found, not listed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from data.settings import Settings
from serving.access import Access, Viewer, allowed
from serving.app import make_app
from serving.engine import Engine
from serving.records import Records, open_records
from serving.records_audit import audit_lines
from serving.records_keys import Role, create_key
from serving.view import View

pytestmark = pytest.mark.slow
Question = tuple[str, str, dict[str, Any]]


@dataclass
class Office:
    """The firm's service with keys on, and what a rep must not see."""

    app: FastAPI
    records: Records
    view: View
    rep: str
    other: str

    def ask(
        self, role: Role, owner: str | None, questions: list[Question]
    ) -> list[httpx.Response]:
        """Ask by a new key."""
        key = create_key(self.records, role, owner, self.view.instant)[1]

        async def send() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://test", headers=headers, timeout=60
            ) as client:
                return [await client.request(m, path, **more) for m, path, more in questions]

        return anyio.run(send)

    def sight(self) -> frozenset[str]:
        found = allowed(Viewer("k", "rep", self.rep), self.view.history)
        assert found is not None
        return found

    def foreign_deals(self) -> set[str]:
        owners = zip(self.view.history.deal_ids, self.view.owners, strict=True)
        return {deal for deal, owner in owners if owner not in self.sight()}

    def strangers(self) -> set[str]:
        """Names and identifiers of owners who never had to do with a deal of the rep."""
        tables, foreign = self.view.history.tables, self.foreign_deals()
        acted = tables.activities.loc[~tables.activities["deal_id"].isin(foreign), "owner_id"]
        had = tables.deal_history.loc[~tables.deal_history["deal_id"].isin(foreign), "value"]
        met = {*acted.dropna(), *had.dropna(), self.rep}
        rest = tables.owners[~tables.owners["owner_id"].isin(met)]
        return {*rest["owner_id"], *rest["name"]}


@pytest.fixture(scope="module")
def office(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    records = open_records(tmp_path_factory.mktemp("office"))
    settings = Settings(
        access="keys", rate_per_minute=10**6, rate_burst=10**6, time_limit_seconds=3_600
    )
    access = Access.of(Path(records.place).parent, settings, records, engine.clock)
    view = engine.view()
    counts = view.deals["owner_id"].value_counts()
    managers = set(view.history.tables.owners["manager_id"].dropna())
    rep, other = [owner for owner in counts.index if owner not in managers][:2]
    yield Office(make_app(engine, records, access), records, view, str(rep), str(other))
    records.close()


def filled(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Make a value that a schema allows, as small as it allows."""
    if "$ref" in schema:
        return filled(root["components"]["schemas"][schema["$ref"].split("/")[-1]], root)
    for kind in ("anyOf", "oneOf", "allOf"):
        if kind in schema:
            return filled(schema[kind][0], root)
    if "examples" in schema or "example" in schema:
        return schema.get("example", (schema.get("examples") or [None])[0])
    if "enum" in schema or "const" in schema:
        return schema.get("const", (schema.get("enum") or [None])[0])
    if schema.get("type") == "object":
        asked = schema.get("required", [])
        return {name: filled(schema["properties"][name], root) for name in asked}
    if schema.get("type") == "array":
        return [filled(schema["items"], root)] if schema.get("minItems") else []
    kinds: dict[str, Any] = {"string": "x", "integer": 1, "number": 1.0, "boolean": True}
    return schema.get("minimum", kinds.get(schema.get("type", "")))


def properties(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        schema = root["components"]["schemas"][schema["$ref"].split("/")[-1]]
    for part in schema.get("anyOf", ()):
        if found := properties(part, root):
            return found
    return dict(schema.get("properties", {}))


def told(name: str, schema: dict[str, Any], root: dict[str, Any], words: list[str]) -> list[Any]:
    """Give values of a property by which it may name what is another's."""
    text = str({**schema, **root["components"]["schemas"].get(name, {})})
    if "'array'" in text and "'string'" in text and "$ref" not in text:
        return [[word] for word in words]
    if "'string'" in text and "enum" not in text and "as_of" not in name:
        return list(words)
    if "'boolean'" in text:
        return [True, False]
    return []


def questions_of(app: FastAPI, words: list[str]) -> Iterator[Question]:
    """Give every address of the API with every property saying each of the words."""
    root = app.openapi()
    for path, methods in root["paths"].items():
        where = re.sub(r"{\w+(:path)?}", quote(words[0], safe=""), path)
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is None:
                yield method.upper(), where, {}
                continue
            for content in bodies(body["schema"], root, words):
                yield method.upper(), where, {"json": content}


def bodies(schema: dict[str, Any], root: dict[str, Any], words: list[str]) -> Iterator[Any]:
    """Give bodies that a schema allows, with each property, nested ones too, saying a word."""
    base = filled(schema, root) or {}
    yield base
    for name, inner in properties(schema, root).items():
        for value in told(name, inner, root, words):
            yield {**base, name: value}
        item = inner.get("items", {})
        for part, nested in properties(item, root).items():
            for value in told(part, nested, root, words[:1] + words[2:3]):
                yield {**base, name: [{**filled(item, root), part: value}]}


def pages_of(app: FastAPI, words: list[str]) -> Iterator[Question]:
    """Give every page and file that is read, with each of the words in its address."""
    deal, closed, owner, name, team = words
    filters = {"owner": owner, "team": team, "q": name, "stage": "x", "table": "deals"}
    for route in app.routes:
        if not isinstance(route, Route) or "GET" not in (route.methods or ()):
            continue
        for word in (deal, closed) if "{" in route.path else (deal,):
            path = re.sub(r"{\w+(:path)?}", quote(word, safe=""), route.path)
            yield "GET", path, {}
            for key, value in filters.items():
                yield "GET", path, {"params": {key: value}}


def leaks(asked: list[Question], answers: list[httpx.Response], secrets: set[str]) -> list[str]:
    """Secrets that an answer tells and its question did not."""
    found = []
    for question, answer in zip(asked, answers, strict=True):
        words = set(re.findall(r"[\w@.'-]+(?: [\w@.'-]+)?", answer.text)) | set(
            re.findall(r"\w+", answer.text)
        )
        said = {each for each in secrets & words if each not in str(question)}
        if said:
            found.append(f"{question} told {sorted(said)[:3]}")
    return found


def words_of(office: Office) -> list[str]:
    """Names of what is another's: deals open and closed, an owner, her name, her team."""
    frame = office.view.deals
    deal = str(frame.loc[frame["owner_id"] == office.other, "deal_id"].iloc[0])
    closed = next(d for d in sorted(office.foreign_deals()) if d not in office.view.place)
    owners = office.view.history.tables.owners.set_index("owner_id")
    name, team = (str(owners.loc[office.other, column]) for column in ("name", "team"))
    return [deal, closed, office.other, name, team]


def test_no_address_tells_a_rep_of_anothers_deal(office: Office) -> None:
    asked = [*questions_of(office.app, words_of(office)), *pages_of(office.app, words_of(office))]
    answers = office.ask("rep", office.rep, asked)
    examples = {word for word in office.foreign_deals() if word in str(office.app.openapi())}
    secrets = (office.foreign_deals() - examples) | office.strangers()
    assert len(asked) > 100
    assert len(secrets) > 100
    assert leaks(asked, answers, secrets) == []
    assert not [q for q, a in zip(asked, answers, strict=True) if a.status_code >= 500]


def test_an_address_that_forgets_whose_deals_it_shows_is_found(office: Office) -> None:
    app, word = FastAPI(), words_of(office)[0]

    @app.post("/all")
    def everything() -> list[str]:
        return list(office.view.place)

    asked = [("POST", "/all", {})]
    transport = httpx.ASGITransport(app)

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/all")

    assert list(questions_of(app, [word])) == asked
    assert leaks(asked, [anyio.run(send)], office.foreign_deals())


def test_anothers_deal_is_told_in_the_words_of_one_that_is_not_there(office: Office) -> None:
    foreign, absent = words_of(office)[0], "no-such-deal"

    def asked(deal: str) -> list[Question]:
        return [
            ("POST", "/score", {"json": {"deal_ids": [deal]}}),
            ("POST", "/explain", {"json": {"deal_id": deal}}),
            ("POST", "/what-if", {"json": {"deal_id": deal, "amount": 1.0}}),
            ("POST", "/feedback", {"json": {"deal_id": deal, "kind": "correction", "value": 1}}),
            ("GET", f"/deals/{deal}", {}),
        ]

    found = office.ask("rep", office.rep, asked(foreign) + asked(absent))
    for mine, other in zip(found[:5], found[5:], strict=True):
        assert mine.status_code == other.status_code == 404
        assert mine.text.replace(foreign, absent) == other.text


def test_a_denied_read_is_in_the_audit_and_one_of_nothing_is_not(office: Office) -> None:
    foreign, absent = words_of(office)[0], "no-such-deal"
    asked = [("POST", "/score", {"json": {"deal_ids": [deal]}}) for deal in (foreign, absent)]
    office.ask("rep", office.rep, [*asked, ("GET", f"/deals/{foreign}", {})])
    lines = [line for line in audit_lines(office.records, 20) if line.action == "denied read"]
    assert [(line.by, line.target, line.detail) for line in lines[:2]] == [
        (office.rep, foreign, f"/deals/{foreign}"),
        (office.rep, foreign, "/score"),
    ]
    assert absent not in {line.target for line in lines}


def test_names_that_are_like_it_are_told_of_the_own_alone(office: Office) -> None:
    name = words_of(office)[3][:-1]
    answer = office.ask("rep", office.rep, [("POST", "/rank", {"json": {"owner": name}})])[0]
    assert answer.status_code == 404
    assert not office.strangers() & {answer.json()["allowed"] and str(answer.json()["allowed"])}
    assert words_of(office)[3] not in answer.text


def test_a_rep_sees_own_deals_by_the_numbers_that_the_admin_sees(office: Office) -> None:
    own = {"owner": office.rep, "top": 1000}
    mine = office.ask("rep", office.rep, [("POST", "/rank", {"json": {"top": 1000}})])[0].json()
    all_ = office.ask("admin", None, [("POST", "/rank", {"json": own})])[0].json()
    assert mine["deals"] == all_["deals"]
    assert {deal["owner_id"] for deal in mine["deals"]} == {office.rep}


def test_a_rep_reads_the_forecast_of_own_deals_alone_and_the_admin_the_firms(
    office: Office,
) -> None:
    asked = [("POST", "/forecast", {"json": {"periods": 1, "by": ["owner", "team"]}})]
    mine = office.ask("rep", office.rep, asked)[0].json()["rows"]
    firm = office.ask("admin", None, asked)[0].json()["rows"]
    assert "total" in {row["scope"] for row in firm}
    scopes = {(row["scope"], row["scope_id"]) for row in mine if row["scope"] == "owner"}
    assert scopes == {("owner", office.rep)}
    same = [row for row in firm if (row["scope"], row["scope_id"]) == ("owner", office.rep)]
    assert [row for row in mine if row["scope"] == "owner"] == same
    totals = {row["mean"] for row in firm if row["scope"] in {"total", "open"}}
    assert not totals & {row["mean"] for row in mine}


def test_a_manager_sees_the_whole_team_and_nobody_else(office: Office) -> None:
    owners = office.view.history.tables.owners
    manager = str(owners["manager_id"].dropna().mode().iloc[0])
    sight = allowed(Viewer("k", "manager", manager), office.view.history)
    assert sight is not None
    asked = [("POST", "/rank", {"json": {"top": 1000}})]
    seen = office.ask("manager", manager, asked)[0].json()["deals"]
    frame = office.view.deals
    wanted = frame.loc[frame["owner_id"].isin(sight), "deal_id"]
    assert sorted(deal["deal_id"] for deal in seen) == sorted(wanted)
    assert len(sight) > 1


def test_an_owner_without_deals_gets_an_empty_list(office: Office) -> None:
    answer = office.ask("rep", "nobody-at-all", [("POST", "/rank", {"json": {}})])[0]
    assert (answer.status_code, answer.json()["deals"]) == (200, [])


def test_a_deal_sent_by_a_rep_draws_on_nothing_of_the_others(office: Office) -> None:
    deals = office.view.history.tables.deals.set_index("deal_id")["account_id"]
    foreign = office.foreign_deals()
    own = set(deals[~deals.index.isin(foreign)].dropna())
    account = next(deals[deal] for deal in sorted(foreign) if deals[deal] not in own)
    deal = {"deal_id": "new", "stage": "qualified", "created_at": "2026-05-01"}
    told = [{}, {"account_id": account}, {"account_id": "none"}, {"account_id": min(own)}]
    asked = [("POST", "/predict", {"json": {"deals": [{**deal, **each}]}}) for each in told]
    bare, other, absent, mine = [a.json() for a in office.ask("rep", office.rep, asked)]
    assert bare["deals"] == other["deals"] == absent["deals"]
    assert other["notes"] == absent["notes"] != bare["notes"]
    assert mine["deals"][0]["account_id"] == min(own)
    admin = office.ask("admin", None, asked[1:2])[0].json()
    assert admin["deals"][0]["account_id"] == account


def test_an_owner_out_of_sight_cannot_be_sent(office: Office) -> None:
    deal = {"deal_id": "new", "stage": "qualified", "created_at": "2026-05-01"}
    change = {"property": "owner_id", "changed_at": "2026-05-02"}

    def asked(owner: str) -> list[Question]:
        sent = [{**deal, "owner_id": owner}, {**deal, "history": [{**change, "value": owner}]}]
        return [("POST", "/predict", {"json": {"deals": [each]}}) for each in sent]

    found = office.ask(
        "rep", office.rep, asked(office.other) + asked("nobody") + asked(office.rep)
    )
    assert [answer.status_code for answer in found] == [404] * 4 + [200] * 2
    assert found[0].text.replace(office.other, "nobody") == found[2].text
