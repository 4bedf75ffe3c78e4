// Data quality: agents, how far behind they are, and how old what is known is.

import { card, figures, fill, h, table } from "./dom.js";
import { t, word } from "./i18n.js";
import { number, span } from "./format.js";
import { get } from "./api.js";
import { empty, kept } from "./states.js";
import { bars } from "./charts.js";
import { exports } from "./exports.js";

const PERIOD_S = 4;

export function quality(root) {
  const body = h("div", { id: "quality" });
  const files = h("section", { class: "card", id: "exports" });
  fill(root, h("h1", {}, t("page.quality")), body, files);
  const looking = kept(body, (signal) => get("/api/quality", signal), (part, told) => fill(part, shown(told)), PERIOD_S);
  const listing = exports(files);
  return () => { looking.stop(); listing(); };
}

function shown(told) {
  const ages = told.ages.map(({ up_to_s: upTo, evses }) => ({
    name: upTo === null ? t("quality.older") : t("quality.up_to", { span: span(upTo) }), value: evses, text: number(evses),
  }));
  return [card(t("agents"), told.agents.length ? agentTable(told) : empty("agents.none"),
    told.without_agent > 0 && h("p", { class: "is-warn" }, t("quality.without_agent", { n: number(told.without_agent) }))),
  h("div", { class: "grid" },
    card(t("quality.ages"), h("p", { class: "quiet small" }, t("quality.ages_text", { span: span(told.stale_after_s) })), bars(t("quality.ages"), ages)),
    card(t("quality.counts"), figures(Object.entries(told.counts).map(([name, value]) => [word("counted", name), number(value)]))))];
}

function agentTable(told) {
  const columns = [
    { name: t("agent"), cell: (row) => [row.agent, row.version && h("div", { class: "quiet small" }, row.version)] },
    { name: t("state"), cell: (row) => (row.connected ? h("span", { class: "is-good" }, `● ${t("connected")}`) : h("span", { class: "is-bad" }, `■ ${t("not_connected")}`)) },
    { name: t("quality.lag"), number: true, cell: (row) => warn(span(row.lag_s), row.lag_s > 30) },
    { name: t("quality.buffer"), number: true, cell: (row) => warn(number(row.buffer), row.buffer > 1000) },
    { name: t("quality.skew"), number: true, cell: (row) => warn(row.skew_s === undefined ? "–" : `${number(row.skew_s, 3)} s`, Math.abs(row.skew_s) > 2) },
    { name: t("page.piles"), number: true, cell: (row) => number(row.piles) },
    { name: t("count.unknown"), number: true, cell: (row) => warn(number(row.unknown), row.unknown > 0) },
    { name: t("quality.records"), number: true, cell: (row) => number(row.records) },
    { name: t("quality.gaps"), number: true, cell: (row) => warn(number(row.gaps), row.gaps > 0) },
    { name: t("quality.rejected"), number: true, cell: (row) => warn(number(row.rejected), row.rejected > 0) },
  ];
  return table(t("agents"), columns, told.agents, (row) => row.agent);
}

function warn(text, bad) {
  return bad ? h("strong", { class: "is-warn" }, `! ${text}`) : text;
}
