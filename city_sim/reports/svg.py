"""What matplotlib writes, made fit to stand inside a page: small, named, in the page's colours."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from city_sim.reports.colours import VARIABLES

ID = "pw-fig-id-"  # before every id, for the page to put its own number there
_SVG = "{http://www.w3.org/2000/svg}"
_HREF = "{http://www.w3.org/1999/xlink}href"
_REFERRED = re.compile(r"[\"(]#([^\")]+)")


def tidied(drawn: str, title: str, description: str) -> str:
    """The drawing without what nobody sees, with a title and a description for those who cannot."""
    root = ElementTree.fromstring(drawn)
    referred = set(_REFERRED.findall(drawn))
    for element in root.iter():
        if element.get("id") not in referred:
            element.attrib.pop("id", None)
        _shorten(element)
    _flatten(root)
    _name(root, title, description)
    return ElementTree.tostring(root, encoding="unicode").strip()


def _shorten(element: ElementTree.Element) -> None:
    """Shorter numbers, own ids, no namespaces, variables for colours."""
    element.tag = element.tag.removeprefix(_SVG)
    if element.tag != "text":
        element.text = None
    element.tail = None
    if _HREF in element.attrib:
        element.set("href", element.attrib.pop(_HREF))
    for key, value in list(element.attrib.items()):
        if key == "id":
            element.set(key, ID + value)
            continue
        value = value.replace("url(#", f"url(#{ID}")
        if key == "href":
            value = value.replace("#", f"#{ID}", 1)
        elif key in {"style", "fill", "stroke"}:
            for colour, variable in VARIABLES.items():
                value = value.replace(colour, variable)
            # One family for the whole page, whichever this text was measured with.
            value = re.sub(r"font-family: [^;]*; ?", "", value)
            value = re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", value)
        elif key != "viewBox":
            value = re.sub(r"-?\d+\.\d{2,}", _short, " ".join(value.split()))
        element.set(key, value)
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]


def _short(number: re.Match[str]) -> str:
    """Two decimals of a number, without trailing zeros and without a negative zero."""
    return f"{round(float(number[0]), 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def _flatten(parent: ElementTree.Element) -> None:
    """Takes away groups that say nothing, and what is not seen."""
    kept: list[ElementTree.Element] = []
    for child in list(parent):
        if child.tag == "style" or child.tag.endswith("metadata"):
            continue
        if child.tag == "path" and child.get("style") == "fill: none":
            continue
        _flatten(child)
        if child.tag in {"g", "defs"} and not len(child):
            continue
        kept += list(child) if child.tag == "g" and not child.attrib else [child]
    parent[:] = kept


def _name(root: ElementTree.Element, title: str, description: str) -> None:
    """Title and description where screen readers look for them, and a size without units."""
    root.attrib.pop("version", None)
    _, _, width, height = root.attrib["viewBox"].split()
    root.set("width", str(round(float(width) * 4 / 3)))
    root.set("height", str(round(float(height) * 4 / 3)))
    root.set("xmlns", _SVG.strip("{}"))
    root.set("font-family", "sans-serif")
    # As matplotlib draws lines where it says nothing else.
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    root.set("role", "img")
    root.set("aria-labelledby", f"{ID}title {ID}description")
    for place, (tag, name, text) in enumerate(
        (("title", "title", title), ("desc", "description", description))
    ):
        named = ElementTree.Element(tag, {"id": ID + name})
        named.text = text
        root.insert(place, named)
