"""The page at `/` and its files under `/static`, served from this package so that the wheel holds them."""

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parent / "static"


def router() -> APIRouter:
    """Build `/`."""
    routes = APIRouter()

    @routes.get("/", include_in_schema=False)
    async def get_page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    return routes


def mount_files(app: FastAPI) -> None:
    """Serve the page's files."""
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
