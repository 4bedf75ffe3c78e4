"""A report as one HTML file that needs nothing else: no script, no network, no style to be read."""

from __future__ import annotations

from html import escape

from city_sim.reports.colours import hues
from city_sim.reports.origin import Origin, placeless, spans, versions
from city_sim.reports.report import Figure, Report, Section
from city_sim.reports.svg import ID
from city_sim.reports.table import Table, shown

MARK = '<meta name="generator" content="pilewise report">'
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root{color-scheme:light dark;--ink:#1a1a1a;--paper:#fff;--soft:#5c5c5c;--grid:#d0d0d0;LIGHT}
@media (prefers-color-scheme:dark){
:root{--ink:#ececec;--paper:#161616;--soft:#a8a8a8;--grid:#444;DARK}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{line-height:1.2}h2{margin-top:2.5rem;border-bottom:1px solid var(--grid)}
.wide{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;border:0;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);padding:.25rem 0;white-space:nowrap}
th,td{border:1px solid var(--grid);padding:.25rem .6rem;text-align:left;vertical-align:top}
td.n{text-align:right}td{overflow-wrap:anywhere}
figure{margin:1.5rem 0}svg{max-width:100%;height:auto;color:var(--ink)}
figcaption{color:var(--soft)}code,pre{font-size:.9rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid var(--grid);padding:.6rem}
"""


def page(report: Report) -> str:
    """The whole file; the same for the same report."""
    body = [f"<h1>{escape(report.title)}</h1>", f"<p>{escape(report.summary)}</p>"]
    count = 0
    for section in report.sections:
        made, count = _section(section, count)
        body += made
    body += _origin(report.origin)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            MARK,
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(report.title)}</title>",
            f"<style>{_style()}</style></head>",
            "<body><main>",
            *body,
            "</main></body></html>\n",
        ]
    )


def _style() -> str:
    light, dark = hues()
    return _STYLE.replace("LIGHT", light).replace("DARK", dark).strip()


def _section(section: Section, count: int) -> tuple[list[str], int]:
    """The section as HTML, and how many figures the page has by its end."""
    made = [f"<h2>{escape(section.heading)}</h2>"]
    for part in section.parts:
        if isinstance(part, Figure):
            count += 1
            made.append(_figure(part, count))
        elif isinstance(part, Table):
            made.append(part.html())
        else:
            made.append(f"<p>{escape(part)}</p>")
    return made, count


def _figure(figure: Figure, number: int) -> str:
    """A figure whose ids are its own on the page."""
    numbers = (
        f"<details><summary>The same in numbers</summary>{figure.numbers.html()}</details>"
        if figure.numbers
        else ""
    )
    return (
        f"<figure>{figure.svg.replace(ID, f'f{number}-')}"
        f"<figcaption>Figure {number}. {escape(figure.title)}. {escape(figure.description)}"
        f"</figcaption>{numbers}</figure>"
    )


def _origin(origin: Origin) -> list[str]:
    at = origin.at.isoformat(timespec="seconds")
    facts = {"date": at, "seeds": spans(origin.seeds) or "none"}
    made = [
        "<h2>How to repeat it</h2>",
        f"<pre>{escape(origin.command)}</pre>",
        Table([{"what": k, "value": v} for k, v in facts.items()]).html(),
    ]
    for caption, values in (
        ("Parameters", origin.parameters),
        ("Versions", versions()),
        ("Models", origin.models),
        ("Data", origin.inputs),
    ):
        if values:
            rows = [{"name": k, "value": _told(v)} for k, v in values.items()]
            made.append(Table(rows, caption).html())
    return made


def _told(value: object) -> str:
    value = placeless(value)
    if isinstance(value, list):
        return ", ".join(_told(part) for part in value)
    return repr(value) if isinstance(value, float) else shown(value)
