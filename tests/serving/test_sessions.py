from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import anyio
import httpx
import pandas as pd
import pytest

from data.settings import Settings
from serving.access import Access
from serving.app import make_app
from serving.engine import Engine
from serving.records import Records, open_records
from serving.records_audit import audit_lines
from serving.records_keys import create_key, revoke_key
from serving.sessions import COOKIE, SECRET_FILE, session_secret

NOW = pd.Timestamp("2026-05-01T09:00Z")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    found = open_records(tmp_path)
    yield found
    found.close()


class Browser:
    """A browser at a service with keys on and nothing imported: it keeps cookies."""

    def __init__(self, workspace: Path, records: Records, **settings: object) -> None:
        told = Settings(**{"access": "keys", **settings})  # type: ignore[arg-type]
        engine = Engine(workspace, lambda: NOW)
        access = Access.of(workspace, told, records, engine.clock)
        self.app = make_app(engine, records, access)
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://test", cookies=self.cookies
            ) as client:
                headers = {"Accept": "text/html", **(FORM if form else {})}
                body = urlencode(form).encode() if form else b""
                answer = await client.request(method, path, headers=headers, content=body)
                self.cookies = client.cookies
                return answer

        return anyio.run(send)


def test_a_key_signs_in_and_leads_back(tmp_path: Path, records: Records) -> None:
    browser = Browser(tmp_path, records)
    key, text = create_key(records, "rep", "ann", NOW)
    assert browser.ask("GET", "/?top=5").headers["location"] == "/sign-in?next=/%3Ftop%3D5"
    page = browser.ask("GET", "/sign-in?next=/%3Ftop%3D5")
    assert (page.status_code, 'value="/?top=5"' in page.text) == (200, True)
    entered = browser.ask("POST", "/sign-in", {"key": text, "next": "/?top=5"})
    assert (entered.status_code, entered.headers["location"]) == (303, "/?top=5")
    flags = entered.headers["set-cookie"].lower()
    assert all(flag in flags for flag in ("httponly", "samesite=strict", "path=/"))
    assert text.split("_", 2)[2] not in entered.headers["set-cookie"]
    assert browser.ask("GET", "/").status_code == 503  # let in: there is no store to show
    assert audit_lines(records, 1)[0].by == key.key_id


def test_a_wrong_key_is_told_and_opens_nothing(tmp_path: Path, records: Records) -> None:
    browser = Browser(tmp_path, records)
    refused = browser.ask("POST", "/sign-in", {"key": "dealcast_a_b"})
    assert (refused.status_code, 'role="alert"' in refused.text) == (401, True)
    assert COOKIE not in browser.cookies
    assert audit_lines(records, 1)[0].action == "denied"


def test_the_session_ends_with_signing_out(tmp_path: Path, records: Records) -> None:
    browser = Browser(tmp_path, records)
    browser.ask("POST", "/sign-in", {"key": create_key(records, "admin", None, NOW)[1]})
    assert browser.ask("POST", "/sign-out").status_code == 403
    page = browser.ask("GET", "/nowhere")
    assert page.status_code == 404
    browser.cookies.delete(COOKIE)
    assert browser.ask("GET", "/nowhere").status_code == 303


def test_the_session_ends_with_its_key(tmp_path: Path, records: Records) -> None:
    browser = Browser(tmp_path, records)
    key, text = create_key(records, "admin", None, NOW)
    revoke_key(records, key.key_id, NOW)
    assert browser.ask("POST", "/sign-in", {"key": text}).status_code == 401


def test_over_https_the_cookie_is_for_https_alone(tmp_path: Path, records: Records) -> None:
    browser = Browser(tmp_path, records, https=True)
    text = create_key(records, "admin", None, NOW)[1]
    entered = browser.ask("POST", "/sign-in", {"key": text})
    assert "secure" in entered.headers["set-cookie"].lower()


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil", "x", ""])
def test_one_is_led_to_no_other_site(tmp_path: Path, records: Records, back: str) -> None:
    browser = Browser(tmp_path, records)
    text = create_key(records, "admin", None, NOW)[1]
    entered = browser.ask("POST", "/sign-in", {"key": text, "next": back})
    assert entered.headers["location"] == "/"


def test_with_keys_off_there_is_nothing_to_sign_in_to(tmp_path: Path, records: Records) -> None:
    browser = Browser(tmp_path, records, access="off")
    assert browser.ask("GET", "/sign-in").headers["location"] == "/"


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    made = session_secret(tmp_path, Settings())
    assert made == session_secret(tmp_path, Settings())
    assert len(made) >= 32
    assert (tmp_path / SECRET_FILE).stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == [SECRET_FILE]


def test_a_secret_of_the_settings_is_used(tmp_path: Path) -> None:
    told = Settings(session_secret="s" * 40)  # type: ignore[arg-type]
    assert session_secret(tmp_path, told) == "s" * 40
    assert not list(tmp_path.iterdir())


def test_a_body_larger_than_the_setting_is_refused(tmp_path: Path, records: Records) -> None:
    browser = Browser(tmp_path, records, body_limit_mb=0.001)
    assert browser.ask("POST", "/sign-in", {"key": "x" * 900}).status_code == 401
    refused = browser.ask("POST", "/sign-in", {"key": "x" * 1_001})
    assert (refused.status_code, "1,000 bytes" in refused.text) == (413, True)
