"""The pages in the menu of Airflow: for who is logged in; the docs as the Dag has written them."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from footfall.warehouse.docs import renew_docs

NOW = datetime(2030, 1, 1, tzinfo=UTC)
# Airflow's own app imports the client of tests, which asks for another package.
pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")


@pytest.fixture
def pages(airflow_home: None, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a client of the pages that nobody has logged in with; Airflow's own login stands."""
    from airflow import settings
    from airflow.api_fastapi.app import init_auth_manager
    from airflow.models.revoked_token import RevokedToken
    from fastapi.testclient import TestClient

    from footfall_airflow.pages import Pages

    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", secrets.token_urlsafe(64))
    settings.initialize()
    init_auth_manager()
    RevokedToken.metadata.create_all(settings.engine, tables=[RevokedToken.__table__])
    with TestClient(Pages()) as client:
        yield client


def token() -> dict[str, str]:
    """Return what Airflow gives to a viewer who logs in, as a header."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    viewer = SimpleAuthManagerUser(username="vera", role="viewer")
    return {"Authorization": f"Bearer {get_auth_manager().generate_jwt(viewer)}"}


def test_pages_are_for_who_is_logged_in_and_show_the_docs_once_they_are_written(pages):
    for page in ("/docs", "/reports", "/reports/some", "/reports/some/card"):
        assert pages.get(page).status_code == 401
        assert pages.get(page, headers={"Authorization": "Bearer forged"}).status_code == 403
    login = token()
    missing = pages.get("/docs", headers=login)
    assert missing.status_code == 404
    assert missing.json()["detail"].endswith("after its next build; at once: footfall docs")

    assert renew_docs(now=NOW)
    shown = pages.get("/docs", headers=login)
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "fct_order_lines" in shown.text
    assert "No model is trained yet." in pages.get("/reports", headers=login).text
