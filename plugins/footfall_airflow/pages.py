"""What Footfall adds to Airflow's menu: the docs of the tables, the audit reports of the models.

Airflow mounts a plugin's app without a login; here every page asks for the user first. The app is
made when the first page is asked for: this file is imported by each of Airflow's processes.
"""

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

PREFIX = "/footfall"


class Pages:
    """The files under FOOTFALL_HOME that people read, for whoever is logged in to Airflow."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    @cached_property
    def _app(self) -> Any:
        from airflow.api_fastapi.core_api.security import get_user
        from fastapi import Depends, FastAPI, HTTPException
        from fastapi.responses import FileResponse, HTMLResponse

        from footfall.settings import settings

        home = settings().home
        folders = {"docs": home / "docs", "reports": home / "reports"}
        app = FastAPI(dependencies=[Depends(get_user)], docs_url=None, openapi_url=None)

        @app.get("/{folder}")
        def contents(folder: str) -> HTMLResponse:
            if folder not in folders:
                raise HTTPException(404)
            names = sorted(file.name for file in folders[folder].glob("*.html"))
            links = "".join(
                f'<li><a href="{PREFIX}/{folder}/{name}">{name}</a></li>' for name in names
            )
            return HTMLResponse(f"<h1>{folder}</h1><ul>{links or 'nothing yet'}</ul>")

        @app.get("/{folder}/{name}")
        def page(folder: str, name: str) -> FileResponse:
            file = folders.get(folder, home / "docs") / name
            if folder not in folders or file.parent != folders[folder] or not file.is_file():
                raise HTTPException(404)
            return FileResponse(file)

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
