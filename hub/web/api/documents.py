"""The OpenAPI document, and its viewer, which works without any other machine."""

import mimetypes
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import msgspec
from aiohttp import web

from hub.web.guard import Handler
from hub.web.openapi_document import document_of
from hub.web.parts import Parts

_PAGE = Path(__file__).with_name("docs.html")
_SCRIPT = Path(__file__).with_name("docs.js")
_FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Swagger UI's style sheet has its arrows so
        "connect-src 'self'",
        "media-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def routes(_: Parts) -> list[web.RouteDef]:
    """Return what serves the document and its viewer."""
    document: list[bytes] = []  # made once it is wanted, when all routes are there

    async def openapi(request: web.Request) -> web.StreamResponse:
        if not document:
            document.append(msgspec.json.encode(document_of(request.app, version("parlour"))))
        return web.Response(body=document[0], content_type="application/json")

    viewer = _swagger_ui()
    files = {"/api/docs": _PAGE, "/api/docs/docs.js": _SCRIPT}
    files |= {f"/api/docs/{name}": viewer / name for name in _FILES}
    return [
        web.get("/api/openapi.json", openapi),
        *(web.get(address, _serve(path)) for address, path in files.items()),
    ]


def _swagger_ui() -> Path:
    """Return the folder of Swagger UI's files; the package that brings them is not imported."""
    spec = find_spec("flask_swagger_ui")
    assert spec is not None  # it is installed with the hub
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "dist"


def _serve(path: Path) -> Handler:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"

    async def handler(_: web.Request) -> web.StreamResponse:
        headers = {
            "Content-Type": kind + ("; charset=utf-8" if kind.startswith("text/") else ""),
            "Content-Security-Policy": _POLICY,
            "Cache-Control": "no-cache",
        }
        return web.FileResponse(path, headers=headers)

    return handler
