"""What Footfall adds to Airflow's menu: the docs of the tables, the audit reports of the models.

Airflow mounts a plugin's app without a login; here every page asks for the user first. The app is
made when the first page is asked for: this file is imported by each of Airflow's processes.
"""

from functools import cached_property
from html import escape
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/footfall"
LIST = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Audit reports</title>'
    "</head><body><h1>Audit reports</h1><ul>{}</ul></body></html>"
)


class Pages:
    """Pages for whoever is logged in to Airflow."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    @cached_property
    def _app(self) -> Any:
        from airflow.api_fastapi.core_api.security import get_user
        from fastapi import Depends, FastAPI, HTTPException
        from fastapi.responses import HTMLResponse, PlainTextResponse

        from footfall.errors import NotFound
        from footfall.modelling.models import list_models, model_card_of, model_report
        from footfall.warehouse.docs import kept_docs

        app = FastAPI(dependencies=[Depends(get_user)], docs_url=None, openapi_url=None)

        @app.get("/docs")
        def docs() -> HTMLResponse:
            try:
                return HTMLResponse(kept_docs())
            except NotFound as error:
                raise HTTPException(404, str(error)) from None

        @app.get("/reports")
        def reports() -> HTMLResponse:
            items = [
                f'<li><a href="{PREFIX}/reports/{model.model_id}">{escape(model.line())}</a>'
                f' <a href="{PREFIX}/reports/{model.model_id}/card">model card of '
                f"{model.model_id}</a></li>"
                for model in list_models()
            ]
            return HTMLResponse(LIST.format("".join(items) or "<li>No model is trained yet.</li>"))

        @app.get("/reports/{model_id}")
        def report(model_id: str) -> HTMLResponse:
            try:
                return HTMLResponse(model_report(model_id))
            except NotFound as error:
                raise HTTPException(404, str(error)) from None

        @app.get("/reports/{model_id}/card")
        def card(model_id: str) -> PlainTextResponse:
            from ml.model_card import card_markdown

            try:
                return PlainTextResponse(card_markdown(model_card_of(model_id)))
            except NotFound as error:
                raise HTTPException(404, str(error)) from None

        return app


def _view(name: str, folder: str) -> dict[str, str]:
    return {
        "name": name,
        "href": f"{PREFIX}/{folder}",
        "url_route": f"footfall-{folder}",
        "destination": "nav",
        "category": "browse",
    }


class FootfallPages(AirflowPlugin):
    """The menu's entries, and the app that answers them."""

    name = "footfall"
    fastapi_apps = [{"app": Pages(), "url_prefix": PREFIX, "name": "Footfall"}]
    external_views = [_view("Table docs", "docs"), _view("Audit reports", "reports")]
