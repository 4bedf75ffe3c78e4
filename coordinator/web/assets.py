"""The files of the pages: our own, and Leaflet's from its package; read once, served from memory.

Nothing comes from another host, and nothing of others is in the repository.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from string import Template

from starlette.requests import Request
from starlette.responses import Response

OWN = Path(__file__).parent / "static"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
FRAME = "page.html"  # head and header of every page, once
# What each page has of its own.
PAGES = {
    "operator": {
        "style": "operator",
        "script": "main",
        "navigation": '  <nav id="nav" aria-label="Pages"></nav>\n',
        "dialog": '<dialog id="token"></dialog>\n',
    },
    "drive": {"style": "drive", "script": "drive/main", "navigation": "", "dialog": ""},
}
LEAFLET = ("leaflet.js", "leaflet.css")
LEAFLET_PACKAGE = "xstatic-leaflet"


class LeafletMissing(Exception):
    """The package that brings Leaflet is not installed."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file in memory; `tag` changes with its content."""

    content: bytes
    kind: str
    tag: str


class Assets:
    """All files by their path below /static/."""

    def __init__(self) -> None:
        self._files = {
            path.relative_to(OWN).as_posix(): _asset(path)
            for path in sorted(OWN.rglob("*"))
            if path.suffix in KINDS
        }
        folder = leaflet_folder()
        self._files.update({f"leaflet/{name}": _asset(folder / name) for name in LEAFLET})
        frame = Template(self._files.pop(FRAME).content.decode())
        self._pages = {
            name: _made(frame.substitute(own).encode(), KINDS[".html"])
            for name, own in PAGES.items()
        }

    def page(self, name: str) -> Asset:
        """A page of `PAGES`."""
        return self._pages[name]

    async def serve(self, request: Request) -> Response:
        """The file of the path, or that the browser has it."""
        asset = self._files.get(request.path_params["path"])
        return Response(status_code=404) if asset is None else told(asset, request)


def told(asset: Asset, request: Request) -> Response:
    """The file, or 304 if the browser has this very one; it asks each time."""
    headers = {"etag": asset.tag, "cache-control": "no-cache"}
    if asset.tag in request.headers.get("if-none-match", "").split(", "):
        return Response(status_code=304, headers=headers)
    return Response(asset.content, headers=headers, media_type=asset.kind)


def leaflet_folder() -> Path:
    """Where the package keeps its files; raises `LeafletMissing`.

    Found by its list of files: importing it needs setuptools, which need not be there.
    """
    try:
        files = metadata.files(LEAFLET_PACKAGE) or ()
    except metadata.PackageNotFoundError as error:
        raise LeafletMissing(f"{LEAFLET_PACKAGE} is not installed") from error
    for file in files:
        if file.name == LEAFLET[0]:
            return Path(str(file.locate())).parent
    raise LeafletMissing(f"{LEAFLET_PACKAGE} has no {LEAFLET[0]}")


def _asset(path: Path) -> Asset:
    return _made(path.read_bytes(), KINDS[path.suffix])


def _made(content: bytes, kind: str) -> Asset:
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Asset(content, kind, tag)
