// The table of piles; one of them is in pile.js.

import { fill, h, table } from "./dom.js";
import { t, word } from "./i18n.js";
import { ago, number, percent, span } from "./format.js";
import { get } from "./api.js";
import { empty, kept } from "./states.js";
import { status } from "./shapes.js";
import { pile } from "./pile.js";
import { picture } from "./stream.js";

const STATUSES = ["AVAILABLE", "CHARGING", "RESERVED", "BLOCKED", "OUTOFORDER", "INOPERATIVE", "PLANNED", "UNKNOWN"];
const PERIOD_S = 3;

export function piles(root, argument) {
  if (argument && !argument.startsWith("station:")) return pile(root, argument);
  const station = argument.slice("station:".length);
  const asked = { q: "", status: "", after: 0 };
  const body = h("div", { id: "piles" });
  const again = () => { asked.after = 0; list.refresh(); };
  let timer = 0;
  const search = h("input", { type: "search", id: "q", placeholder: t("piles.search"), oninput: (event) => { asked.q = event.target.value; clearTimeout(timer); timer = setTimeout(again, 250); } });
  const choice = h("select", { id: "status", onchange: (event) => { asked.status = event.target.value; again(); } },
    h("option", { value: "" }, t("piles.all")), STATUSES.map((name) => h("option", { value: name }, word("status", name))));
  fill(root, h("h1", {}, t("page.piles"), station && ` · ${picture.stations.get(station)?.name || station}`),
    h("div", { class: "row" }, h("label", {}, h("span", { class: "hidden" }, t("piles.search")), search),
      h("label", {}, h("span", {}, t("state")), choice), station && h("a", { href: "#/piles" }, t("piles.every_station"))),
    body);
  const load = (signal) => {
    const query = new URLSearchParams({ ...asked, limit: 100 });
    if (station) query.set("station", station);
    return get(`/api/piles?${query}`, signal);
  };
  const list = kept(body, load, (part, told) => fill(part, shown(told, asked, list)), PERIOD_S);
  return () => { clearTimeout(timer); list.stop(); };
}

function shown(told, asked, list) {
  if (!told.total) return empty(asked.q || asked.status ? "piles.none_fit" : "no_piles");
  const now = told.as_of_s;
  const columns = [
    { name: t("pile"), cell: (row) => h("a", { href: `#/piles/${encodeURIComponent(row.pile)}`, "data-key": row.evse }, row.label) },
    { name: t("evse"), cell: (row) => h("span", { class: "mono" }, row.evse) },
    { name: t("station"), cell: (row) => row.station_name },
    { name: t("status"), cell: (row) => [status(row.status), row.code && h("span", { class: "mono" }, ` ${row.code}`), row.reason && h("div", { class: "quiet small" }, row.reason)] },
    { name: t("since.name"), cell: (row) => h("time", {}, ago(row.since_s, now)) },
    { name: t("source"), text: true, cell: (row) => word("source", row.source) },
    { name: t("age"), number: true, cell: (row) => span(row.age_s) },
    { name: t("failure"), number: true, cell: (row) => percent(row.failure_rate) },
    { name: t("evidence"), number: true, cell: (row) => t("evidence.days", { n: number(row.exposure_days, row.exposure_days < 10 ? 1 : 0) }) },
    { name: t("power"), number: true, cell: (row) => (row.power_kw === null ? "–" : `${number(row.power_kw, 1)} kW`) },
  ];
  const turn = (after) => () => { asked.after = after; list.refresh(); scrollTo(0, 0); };
  return [h("p", { class: "quiet" }, t("piles.count", { n: number(told.total) })),
    table(t("page.piles"), columns, told.piles, (row) => row.evse),
    h("div", { class: "row" },
      asked.after > 0 && h("button", { type: "button", "data-key": "before", onclick: turn(Math.max(0, asked.after - 100)) }, t("page_before")),
      told.next !== null && h("button", { type: "button", "data-key": "next", onclick: turn(told.next) }, t("page_next")))];
}
