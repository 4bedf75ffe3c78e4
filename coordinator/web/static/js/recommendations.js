// The ledger: who was sent where and why; one of them is in recommendation.js.

import { fill, h, table } from "./dom.js";
import { t, word } from "./i18n.js";
import { clock, money, number, span } from "./format.js";
import { get } from "./api.js";
import { empty, kept } from "./states.js";
import { level } from "./shapes.js";
import { recommendation } from "./recommendation.js";

const PERIOD_S = 3;
const ONLY = ["", "open", "conflict", "changed"];

export function recommendations(root, argument) {
  if (argument) return recommendation(root, argument);
  const asked = { q: "", only: "", after: 0 };
  const body = h("div", { id: "recommendations" });
  let timer = 0;
  const again = () => { asked.after = 0; list.refresh(); };
  const search = h("input", { type: "search", placeholder: t("ledger.search"), oninput: (event) => { asked.q = event.target.value; clearTimeout(timer); timer = setTimeout(again, 250); } });
  const only = h("select", { onchange: (event) => { asked.only = event.target.value; again(); } },
    ONLY.map((name) => h("option", { value: name }, t(`ledger.only.${name || "all"}`))));
  fill(root, h("h1", {}, t("page.recommendations")),
    h("div", { class: "row" }, h("label", {}, h("span", { class: "hidden" }, t("ledger.search")), search), h("label", {}, h("span", {}, t("ledger.show")), only)), body);
  const list = kept(body, (signal) => get(`/api/recommendations?${new URLSearchParams(asked)}`, signal),
    (part, told) => fill(part, shown(told, asked, list)), PERIOD_S);
  return () => { clearTimeout(timer); list.stop(); };
}

function shown(told, asked, list) {
  if (!told.total) return empty(asked.q || asked.only ? "ledger.none_fit" : "ledger.none");
  const columns = [
    { name: t("when"), cell: (row) => clock(row.promised_at_s) },
    { name: t("car"), cell: (row) => h("a", { href: `#/recommendations/${encodeURIComponent(row.id)}`, "data-key": row.id }, row.car) },
    { name: t("level"), cell: (row) => level(row.level) },
    { name: t("goes_to"), cell: (row) => [row.name, h("div", { class: "quiet small" }, row.station_name)] },
    { name: t("reasons"), text: true, cell: (row) => row.reasons.slice(0, 2).map((reason) => h("div", { class: "small" }, `${reason.sign > 0 ? "+" : "−"} ${reason.text}`)) },
    { name: t("drive"), number: true, cell: (row) => span(row.eta_s) },
    { name: t("wait"), number: true, cell: (row) => span(row.wait_s) },
    { name: t("price"), number: true, cell: (row) => money(row.price, row.currency) },
    { name: t("phase"), cell: (row) => [row.closed ? word("closed", row.closed) : t(`phase.${row.phase}`), row.revision > 1 && h("div", { class: "quiet small" }, t("ledger.revision", { n: row.revision }), row.change && `: ${word("change", row.change)}`)] },
    { name: t("conflict"), cell: (row) => row.conflict && h("span", { class: "tag is-warn" }, t("conflict.yes")) },
  ];
  const turn = (after) => () => { asked.after = after; list.refresh(); scrollTo(0, 0); };
  return [h("p", { class: "quiet" }, t("ledger.count", { n: number(told.total) })),
    table(t("page.recommendations"), columns, told.recommendations, (row) => row.car),
    h("div", { class: "row" },
      asked.after > 0 && h("button", { type: "button", "data-key": "before", onclick: turn(Math.max(0, asked.after - 100)) }, t("page_before")),
      told.next !== null && h("button", { type: "button", "data-key": "next", onclick: turn(told.next) }, t("page_next")))];
}
