"""The gate by itself, before an application that says who it takes the caller for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from data.settings import Settings
from features.history import History
from serving.access import Access, Viewer, allowed
from serving.access_forms import FormGuard
from serving.access_gate import Gate
from serving.access_rate import Rate
from serving.engine import NotReadyError
from serving.limits import BodyLimit
from serving.logs import RequestLog
from serving.records import FILE, Records, open_records
from serving.records_audit import audit_lines
from serving.records_keys import create_key, find_key, revoke_key
from serving.sessions import COOKIE, Sessions, csrf_token

START = pd.Timestamp("2026-05-01T09:00Z")


class NoEngine:
    """An engine that has loaded nothing."""

    def view(self) -> None:
        raise NotReadyError


async def who(request: Request) -> JSONResponse:
    caller = request.state.caller
    return JSONResponse(
        {
            "key": caller.key_id,
            "role": caller.role,
            "by": caller.by,
            "csrf": csrf_token(request),
            "form": (await request.body()).decode(),
        }
    )


@dataclass
class House:
    """A gate with its records, a clock that can be moved, and who comes to it."""

    records: Records
    settings: dict[str, Any]
    now: pd.Timestamp = START
    access: Access = field(init=False)

    def __post_init__(self) -> None:
        settings = Settings(**self.settings)
        sessions = Sessions("s" * 32, settings.session_hours, https=settings.https)
        self.access = Access(settings, self.records, sessions, lambda: self.now)
        inner = Starlette(routes=[Route("/{rest:path}", who, methods=["GET", "POST"])])
        limited = BodyLimit(FormGuard(inner, self.access))
        self.app = RequestLog(Gate(limited, self.access, NoEngine()))  # type: ignore[arg-type]

    def ask(
        self, method: str = "GET", path: str = "/rank", client: str = "127.0.0.1", **content: Any
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(client, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://here") as asked:
                return await asked.request(method, path, **content)

        return anyio.run(send)

    def key(self, role: Any = "rep", owner: str | None = "ann") -> str:
        return create_key(self.records, role, owner, self.now)[1]

    def with_key(self, text: str, **content: Any) -> httpx.Response:
        return self.ask(headers={"Authorization": f"Bearer {text}"}, **content)

    def later(self, **time: float) -> None:
        self.now += pd.Timedelta(**time)

    def cookie(self, text: str) -> dict[str, str]:
        found = find_key(self.records, text.split("_")[1])
        assert found is not None
        response = Response()
        self.access.sessions.open(response, found, self.now)
        return {"Cookie": response.headers["set-cookie"].split(";")[0]}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Make a house with keys on; settings may be changed."""
    made: list[House] = []

    def make(**settings: Any) -> House:
        made.append(House(open_records(tmp_path), {"access": "keys", **settings}))
        return made[-1]

    yield make
    for each in made:
        each.records.close()


def test_with_keys_off_everybody_on_the_machine_is_the_admin(house: Callable[..., House]) -> None:
    told = house(access="off").ask().json()
    assert (told["key"], told["role"]) == ("local", "admin")


@pytest.mark.parametrize("client", ["10.0.0.5", "192.168.1.9", "2001:db8::1"])
def test_with_keys_off_another_machine_is_refused(
    house: Callable[..., House], client: str
) -> None:
    refused = house(access="off").ask(client=client)
    assert (refused.status_code, "keys are off" in refused.text) == (403, True)


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "127.8.8.8"])
def test_with_keys_off_loopback_is_let_in(house: Callable[..., House], client: str) -> None:
    assert house(access="off").ask(client=client).status_code == 200


def test_a_key_tells_who_asks_from_any_machine(house: Callable[..., House]) -> None:
    here = house()
    told = here.with_key(here.key("manager", "ann"), client="10.0.0.5").json()
    assert (told["role"], told["by"]) == ("manager", "ann")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer dealcast_a_b", "Basic YTpi", "Bearer \x00", "dealcast_a_b"]
)
def test_without_a_key_that_holds_nothing_is_told(
    house: Callable[..., House], header: str
) -> None:
    here = house()
    refused = here.ask(headers={"Authorization": header} if header else {})
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "dealcast keys create" in refused.json()["remedy"]
    assert audit_lines(here.records)[0].action == "denied"


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/static/style.css", "/sign-in"])
def test_what_tells_nothing_of_a_deal_needs_no_key(house: Callable[..., House], path: str) -> None:
    told = house().ask(path=path).json()
    assert (told["key"], told["role"]) == ("nobody", "rep")


@pytest.mark.parametrize("path", ["/static", "/healthz/", "/Healthz", "/metrics/rank"])
def test_an_address_that_only_looks_open_needs_a_key(
    house: Callable[..., House], path: str
) -> None:
    assert house().ask(path=path).status_code == 401


def test_a_revoked_key_opens_nothing_after_two_seconds(house: Callable[..., House]) -> None:
    here = house()
    text = here.key()
    assert here.with_key(text).status_code == 200
    revoke_key(here.records, text.split("_")[1], here.now)
    here.later(seconds=2)
    assert here.with_key(text).status_code == 401


def test_a_session_ends_with_its_key(house: Callable[..., House]) -> None:
    here = house()
    text = here.key()
    cookie = here.cookie(text)
    assert here.ask(headers=cookie).json()["by"] == "ann"
    revoke_key(here.records, text.split("_")[1], here.now)
    here.later(seconds=2)
    assert here.ask(headers=cookie).status_code == 401


def test_a_session_ends_with_its_hours(house: Callable[..., House]) -> None:
    here = house(session_hours=1)
    cookie = here.cookie(here.key())
    here.later(minutes=59)
    assert here.ask(headers=cookie).status_code == 200
    here.later(minutes=1)
    assert here.ask(headers=cookie).status_code == 401


def test_a_cookie_that_was_changed_or_is_anothers_is_none(house: Callable[..., House]) -> None:
    here = house()
    value = here.cookie(here.key())["Cookie"]
    for forged in (value[:-1], value.replace("=", "=x", 1), f"{COOKIE}=", f"{COOKIE}=a.b"):
        assert here.ask(headers={"Cookie": forged}).status_code == 401
    other = Sessions("o" * 32, 12, https=False)
    assert other.read(value.partition("=")[2], here.now) is None


def test_a_browser_that_nobody_knows_is_sent_to_sign_in_and_back(
    house: Callable[..., House],
) -> None:
    sent = house().ask(path="/deals/D 7?lang=th", headers={"Accept": "text/html,*/*"})
    assert sent.status_code == 303
    assert sent.headers["location"] == "/sign-in?next=/deals/D%207%3Flang%3Dth"


def test_a_write_of_a_session_needs_the_token_of_its_pages(house: Callable[..., House]) -> None:
    here = house()
    cookie, other = here.cookie(here.key()), here.cookie(here.key("admin", None))
    token = here.ask(headers=cookie).json()["csrf"]
    foreign = here.ask(headers=other).json()["csrf"]

    def write(**headers: str) -> int:
        return here.ask("POST", headers={**cookie, **headers}).status_code

    assert write() == write(**{"X-CSRF-Token": foreign}) == 403
    assert write(**{"X-CSRF-Token": token}) == 200
    assert token != foreign


def test_a_form_carries_the_token_as_a_field_and_is_passed_on_whole(
    house: Callable[..., House],
) -> None:
    here = house()
    cookie = here.cookie(here.key())
    token = here.ask(headers=cookie).json()["csrf"]
    sent = here.ask("POST", headers=cookie, data={"note": "ราคา", "csrf_token": token})
    assert sent.status_code == 200
    assert "note=%E0%B8%A3" in sent.json()["form"]
    assert here.ask("POST", headers=cookie, data={"note": "x"}).status_code == 403


def test_a_key_in_the_header_needs_no_token(house: Callable[..., House]) -> None:
    here = house()
    assert here.with_key(here.key(), method="POST").status_code == 200


@pytest.mark.parametrize("access", ["off", "keys"])
@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_page_of_another_site_cannot_write(
    house: Callable[..., House], access: str, headers: dict[str, str]
) -> None:
    here = house(access=access)
    known = {"Authorization": f"Bearer {here.key()}"} if access == "keys" else {}
    assert here.ask("POST", headers={**known, **headers}).status_code == 403
    assert here.ask("POST", headers={**known, "Origin": "http://here"}).status_code == 200


def test_a_key_that_asks_too_often_waits_and_others_do_not(house: Callable[..., House]) -> None:
    here = house(rate_burst=3, rate_per_minute=6)
    busy, other = here.key(), here.key()
    assert [here.with_key(busy).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = here.with_key(busy)
    assert (refused.headers["retry-after"], "slower" in refused.json()["remedy"]) == ("10", True)
    assert here.with_key(other).status_code == 200
    here.later(seconds=10)
    assert [here.with_key(busy).status_code for _ in range(2)] == [200, 429]


def test_guessing_keys_is_slowed_by_address(house: Callable[..., House]) -> None:
    here = house(rate_burst=2, rate_per_minute=6)
    asked = [here.with_key("dealcast_a_b", client="10.0.0.5").status_code for _ in range(3)]
    assert asked == [401, 401, 429]
    assert here.with_key("dealcast_a_b", client="10.0.0.6").status_code == 401


def test_many_callers_do_not_fill_the_memory() -> None:
    rate = Rate(60, 1)
    assert all(rate.wait(f"{number}", 0.0) == 0 for number in range(20_000))
    assert len(rate._buckets) == 10_000


def test_keys_that_cannot_be_looked_up_let_nobody_in(
    house: Callable[..., House], tmp_path: Path
) -> None:
    here = house()
    text = here.key()
    (tmp_path / FILE).rename(tmp_path / "away")
    refused = here.with_key(text)
    assert (refused.status_code, "put the file" in refused.text) == (503, True)
    (tmp_path / "away").rename(tmp_path / FILE)
    assert here.with_key(text).status_code == 200


@pytest.mark.parametrize(
    ("viewer", "owners"),
    [
        (Viewer("k", "admin"), None),
        (Viewer("k", "admin", "ann"), None),
        (Viewer("k", "rep", "ann"), {"ann"}),
        (Viewer("k", "manager", "ann"), {"ann", "bob", "cy", "dee"}),
        (Viewer("k", "manager", "bob"), {"bob", "cy"}),
        (Viewer("k", "manager", "dee"), {"dee"}),
        (Viewer("k", "rep"), set()),
        (Viewer("k", "rep", "gone"), {"gone"}),
    ],
)
def test_a_manager_sees_the_team_and_the_teams_of_its_members(
    five_deals: Any, viewer: Viewer, owners: set[str] | None
) -> None:
    told = {"owner_id": ["ann", "bob", "cy", "dee"], "manager_id": [None, "ann", "bob", "ann"]}
    history = History.of(five_deals)
    frame = five_deals.owners.iloc[[0, 1, 1, 1]].assign(**told).reset_index(drop=True)
    object.__setattr__(five_deals, "owners", frame)
    assert allowed(viewer, history) == owners


def test_managers_of_each_other_are_one_team(five_deals: Any) -> None:
    history = History.of(five_deals)
    frame = five_deals.owners.assign(manager_id=["bob", "ann"])
    object.__setattr__(five_deals, "owners", frame)
    assert allowed(Viewer("k", "manager", "bob"), history) == {"ann", "bob"}
