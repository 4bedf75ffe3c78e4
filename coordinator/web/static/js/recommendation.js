// One recommendation explained: reasons, what else there was, its area, and every decision since.

import { card, facts, fill, h, table } from "./dom.js";
import { language, t, word } from "./i18n.js";
import { ago, clock, money, number, percent, span } from "./format.js";
import { get } from "./api.js";
import { empty, kept } from "./states.js";
import { level } from "./shapes.js";
import { area, bars } from "./charts.js";
import { sentence } from "./live.js";

const PERIOD_S = 4;

export function recommendation(root, id) {
  const body = h("div", {});
  fill(root, h("p", {}, h("a", { href: "#/recommendations" }, `← ${t("page.recommendations")}`)), body);
  const page = kept(body, (signal) => get(`/api/recommendations/${encodeURIComponent(id)}?language=${language}`, signal),
    (part, told) => fill(part, shown(told)), PERIOD_S);
  return page.stop;
}

function shown(told) {
  const { choice } = told;
  return [h("h1", {}, `${told.car} `, level(told.level), choice && ` → ${choice.name}`),
    !choice && h("p", {}, told.empty.text),
    h("div", { class: "grid" }, choice && choiceCard(told), choice && reasonsCard(told), accountCard(told), areaCard(told)),
    choice && alternativesCard(told), h("div", { class: "grid" }, costCard(told), eventsCard(told))];
}

function choiceCard(told) {
  const { choice, hold } = told;
  return card(t("choice"), h("p", {}, choice.summary), h("p", { class: "quiet" }, choice.situation),
    facts([
      [t("phase"), told.closed ? word("closed", told.closed) : t(`phase.${told.phase}`)],
      [t("level"), `${t(`level.${told.level}`)}: ${word("level_reason", told.level_reason)}`],
      [t("hold"), `${word("hold", hold.kind)}${hold.until_s ? ` · ${t("until", { at: clock(hold.until_s) })}` : ""}${hold.reason ? ` · ${word("hold_reason", hold.reason)}` : ""}`],
      [t("drive"), `${span(choice.eta_s)} · ${number(choice.distance_km, 1)} km`],
      [t("wait"), `${span(choice.wait_s)} (p90 ${span(choice.wait_p90_s)})`],
      [t("charge"), `${span(choice.charge_s)} · ${number(choice.power_kw)} kW`],
      [t("done_at"), clock(choice.done_at_s, false)],
      [t("price"), money(choice.price, choice.currency)],
      [t("p_working"), percent(choice.p_working)],
      [t("p_free"), percent(choice.p_free)],
      [t("scores"), `${number(choice.first_score)} / ${number(choice.second_score)} → ${number(choice.merged_score, 1)}`],
      [t("confidence"), percent(choice.confidence, 0)],
      [t("degraded"), told.degraded.join(", ")],
      [t("relaxed"), told.relaxed.join(", ")],
      [t("defaulted"), told.defaulted.join(", ")],
    ]));
}

function reasonsCard(told) {
  const reasons = told.choice.reasons.map((reason) =>
    h("li", {}, h("span", { class: reason.sign > 0 ? "is-good" : "is-bad" }, reason.sign > 0 ? "+ " : "− "), reason.text, " ",
      h("span", { class: "quiet small" }, `${percent(reason.weight, 0)} · ${reason.code}`)));
  const passed = told.why_not.map((one) => h("li", {}, one.text, " ", h("span", { class: "quiet small" }, one.code)));
  const check = told.same_as_told === null ? t("explain.other_language", { language: told.told_language })
    : t(told.same_as_told ? "explain.same" : "explain.not_same");
  return card(t("reasons"), h("ul", { class: "plain" }, reasons), passed.length > 0 && [h("h3", {}, t("why_not")), h("ul", { class: "plain" }, passed)],
    h("p", { class: "quiet small" }, check));
}

function accountCard(told) {
  if (!told.account.length) return card(t("account"), empty("account.none"));
  return card(t("account"), h("ol", { class: "account" }, told.account.map((one) =>
    h("li", { "data-other": one.other_car || null },
      h("div", {}, h("span", { class: "quiet small" }, `${clock(one.at_s)} · ${t("ledger.revision", { n: one.revision })} `), level(one.level)),
      h("div", {}, word("change", one.code), one.from && one.from !== one.to ? `: ${one.from} → ${one.to || "–"}` : one.to && `: ${one.to}`, ` · ${word("hold", one.hold)}`),
      one.second && h("div", { class: "quiet small" }, t("account.second", { evse: one.second, more: span(one.second_more_s) })),
      one.other_car && h("div", { class: "is-warn small" }, t("account.other", { car: one.other_car }))))));
}

function areaCard(told) {
  if (!told.area.stations.length) return card(t("area"), empty("area.none"));
  const names = told.area.stations.map(({ name }) => name).join(", ");
  return card(t("area"), area(t("area.label", { names }), told.area), h("p", { class: "quiet small" }, t("area.text", { names })));
}

function alternativesCard(told) {
  if (!told.alternatives.length) return card(t("alternatives"), empty("alternatives.none"));
  const columns = [
    { name: t("pile"), cell: (row) => [row.name, h("div", { class: "quiet small" }, row.evse)] },
    { name: t("station"), cell: (row) => row.station_name },
    { name: t("difference"), cell: (row) => row.difference },
    { name: t("drive"), number: true, cell: (row) => span(row.eta_s) },
    { name: t("wait"), number: true, cell: (row) => span(row.wait_s) },
    { name: t("price"), number: true, cell: (row) => money(row.price, row.currency) },
    { name: t("p_working"), number: true, cell: (row) => percent(row.p_working) },
    { name: t("score"), number: true, cell: (row) => number(row.merged_score, 1) },
  ];
  return card(t("alternatives"), table(t("alternatives"), columns, told.alternatives, (row) => row.evse));
}

function costCard(told) {
  if (!told.candidates.length) return card(t("cost"), empty("cost.none"));
  const [first] = told.candidates;
  const rows = Object.entries(first.terms_s).map(([term, value]) => ({ name: word("term", term), value: Math.max(0, value), text: `${number(value)} s` }));
  const total = (candidate) => Object.values(candidate.terms_s).reduce((sum, value) => sum + (value || 0), 0);
  const columns = [
    { name: t("evse"), cell: (row) => h("span", { class: "mono" }, row.evse) },
    { name: t("cost.total"), number: true, cell: (row) => `${number(total(row))} s` },
    { name: t("provenance"), cell: (row) => row.provenance.split("+").map((one) => word("provenance", one)).join(", ") },
  ];
  return card(t("cost"), h("p", { class: "quiet small" }, t("cost.text", { evse: first.evse })), bars(t("cost"), rows),
    table(t("cost.candidates"), columns, told.candidates, (row) => row.evse));
}

function eventsCard(told) {
  if (!told.events.length && !told.outcomes.length) return card(t("ticker"), empty("no_events"));
  const outcomes = told.outcomes.map((one) => h("li", {}, h("time", {}, t("outcome")), h("span", {}, `${one.evse_id} ${one.wait_s === null ? "" : span(one.wait_s)} ${one.comment}`)));
  return card(t("ticker"), h("ol", { class: "plain ticker" }, [...told.events].reverse().map((event) =>
    h("li", { "data-kind": event.kind }, h("time", {}, clock(event.at_s)), h("span", {}, h("span", { class: "kind" }, word("kind", event.kind)), sentence(event)))), outcomes),
    h("p", { class: "quiet small" }, ago(told.made_at_s, told.as_of_s)));
}
