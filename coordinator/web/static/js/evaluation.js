// Evaluation: the five indexes over time, waits by warning level, use by station and hour.

import { card, figures, fill, h, table } from "./dom.js";
import { t } from "./i18n.js";
import { clock, number, percent, span } from "./format.js";
import { get } from "./api.js";
import { empty, kept } from "./states.js";
import { level } from "./shapes.js";
import { bars, heat, line } from "./charts.js";
import { picture } from "./stream.js";

const PERIOD_S = 6;
const HOURS = [1, 6, 24, 168];

export function evaluation(root) {
  const asked = { hours: picture.speed > 1 ? 1 : 24 };
  const body = h("div", { id: "evaluation" });
  const choice = h("select", { onchange: (event) => { asked.hours = Number(event.target.value); page.refresh(); } },
    HOURS.map((n) => h("option", { value: n, selected: n === asked.hours }, t("evaluation.last", { span: n > 48 ? t("span.d", { n: n / 24 }) : t("span.h", { n }) }))));
  fill(root, h("h1", {}, t("page.evaluation")), h("div", { class: "row" }, h("label", {}, h("span", {}, t("evaluation.window")), choice)), body);
  const page = kept(body, (signal) => get(`/api/evaluation?hours=${asked.hours}`, signal), (part, told) => fill(part, shown(told)), PERIOD_S);
  return page.stop;
}

function shown(told) {
  const { five } = told;
  if (!five.flow_demand && !told.over_time.some(({ promised }) => promised)) return empty("evaluation.none");
  return [card(t("evaluation.five"), figures([
    [t("index.point_demand"), `${number(five.point_demand_km, 1)} km`],
    [t("index.flow_demand"), number(five.flow_demand)],
    [t("index.cost"), five.cost_known ? `${number(five.cost, 0)} ${told.currency}` : "–"],
    [t("index.gini"), number(five.gini, 2)],
    [t("index.variation"), number(five.variation, 2)],
    [t("index.short_gaps"), percent(five.short_gaps, 0)],
    [t("index.on_the_way"), number(told.on_the_way)],
  ]), h("p", { class: "quiet small" }, t("evaluation.notes"))),
  h("div", { class: "grid" }, overTime(told)),
  h("div", { class: "grid" }, byLevel(told), served(told)),
  useCard(told)];
}

function overTime(told) {
  const rows = told.over_time;
  const at = (row) => clock(row.from_s, false);
  const marks = [0, 8, 16].map((n) => ({ n, text: at(rows[n]) }));
  const chart = (name, pick, tell) => card(t(name), line(t(name), rows.map((row) => ({ x: at(row), y: pick(row) })), tell, marks));
  return [
    chart("over.point_demand", (row) => row.point_demand_km, (y) => `${number(y, 1)} km`),
    chart("over.flow_demand", (row) => row.flow_demand, (y) => number(y)),
    chart("over.cost", (row) => row.cost, (y) => number(y)),
    chart("over.gini", (row) => row.gini, (y) => number(y, 2)),
    chart("over.use", (row) => row.use, (y) => percent(y, 0)),
    chart("over.wait", (row) => row.wait_s, (y) => span(y)),
  ];
}

function byLevel(told) {
  const rows = Object.entries(told.by_level);
  const columns = [
    { name: t("level"), cell: ([name]) => level(name) },
    { name: t("wait.asked"), number: true, cell: ([, row]) => number(row.cars) },
    { name: t("wait.told"), number: true, cell: ([, row]) => span(row.told_wait_s) },
    { name: t("wait.measured"), number: true, cell: ([, row]) => span(row.mean_wait_s) },
    { name: t("wait.p95"), number: true, cell: ([, row]) => span(row.p95_wait_s) },
    { name: t("wait.cars"), number: true, cell: ([, row]) => number(row.measured) },
  ];
  const title = t("evaluation.by_level");
  const drawn = rows.map(([name, row]) => ({ name: t(`level.${name}`), value: row.mean_wait_s, text: span(row.mean_wait_s) }));
  return card(title, bars(title, drawn), table(title, columns, rows, ([name]) => name));
}

function served(told) {
  const title = t("evaluation.served");
  const rows = told.served.slice(0, 40).map((value, n) => ({ x: String(n + 1), y: value }));
  return card(title, h("p", { class: "quiet small" }, t("evaluation.served_text", { gini: number(told.five.gini, 2) })), line(title, rows, (y) => number(y)));
}

function useCard(told) {
  const title = t("evaluation.use");
  const at = (k) => clock(told.over_time[k].from_s, false);
  if (!told.use.length) return card(title, empty("no_stations"));
  return card(title, h("p", { class: "quiet small" }, t("evaluation.use_text")),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, heat(title, told.use, at)));
}
