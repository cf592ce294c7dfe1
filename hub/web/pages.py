"""The page at `/`, and the files that it is made of.

They are read once, and small. No build step makes them: what is in the folder is what is served.
"""

import hashlib
from pathlib import Path

from aiohttp import web

from hub.web import guard
from hub.web.parts import Parts

FOLDER = Path(__file__).with_name("page")
PREFIX = "/page/"  # of the files; the page itself is at /

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".woff2": "font/woff2",
}
_TEXT = (".html", ".css", ".js", ".svg", ".txt")
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "worker-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy: nothing from elsewhere, nothing inline, in nobody's frame."""

HEADERS = {
    **guard.HEADERS,
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    # Kept, but asked for anew each time: an updated hub serves an updated page.
    "Cache-Control": "no-cache",
}


def routes(_: Parts) -> list[web.RouteDef]:
    """Return what serves the page."""
    files = {
        PREFIX + path.relative_to(FOLDER).as_posix(): path
        for path in sorted(FOLDER.rglob("*"))
        if path.is_file() and path.suffix in _TYPES and path.name != "index.html"
    }
    files["/"] = FOLDER / "index.html"
    # HEAD comes with each GET.
    return [web.get(address, _serve(path)) for address, path in files.items()]


def _serve(path: Path) -> guard.Handler:
    body = path.read_bytes()
    tag = hashlib.sha256(body).hexdigest()[:32]
    kind = _TYPES[path.suffix]
    charset = "utf-8" if path.suffix in _TEXT else None

    async def handler(request: web.Request) -> web.StreamResponse:
        known = request.if_none_match or ()
        if any(one.value in (tag, "*") for one in known):
            answer = web.Response(status=304, headers=HEADERS)
        else:
            answer = web.Response(body=body, content_type=kind, charset=charset, headers=HEADERS)
        answer.etag = tag
        return answer

    return handler
