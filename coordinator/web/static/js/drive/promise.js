// The answer: the charging area, then the pile; why, what else, what is held until when, what changed.

import { facts, fill, figures, h } from "../dom.js";
import { known, language, t, word } from "../i18n.js";
import { clock, money, number, percent, span } from "../format.js";
import { broken, empty, loading } from "../states.js";
import { icon, stateOf } from "../shapes.js";
import { car, subscribe as hearCar } from "./car.js";
import { now_s, seconds } from "./link.js";
import { again, arrived, ask, confirm, decide, held, offerLeft_s, outcome, release, report, subscribe, trip } from "./trip.js";

const OUTCOMES = ["CHARGED", "OCCUPIED", "BROKEN", "BLOCKED", "DEVIATED", "ABANDONED"];

// Gives what draws it anew, e.g. in another language.
export function promisePanel(root) {
  let before = trip.phase;
  root.tabIndex = -1;
  const draw = () => {
    const answered = before === "asking" && trip.phase !== "asking";
    before = trip.phase;
    root.dataset.phase = trip.phase;
    root.dataset.evse = trip.promise?.choice.evse.evse_id || "";
    root.setAttribute("aria-busy", String(trip.phase === "asking" || trip.phase === "resuming"));
    fill(root, trip.failure && broken(trip.failure, retry()), shown());
    count();
    // Who asked is led to the answer, which a phone has above its form.
    if (answered && !trip.by_itself) root.focus();
  };
  const count = () => {
    const left = offerLeft_s();
    const told = root.querySelector("#left");
    if (told && left !== null) told.textContent = t("drive.offer.left", { n: number(Math.ceil(left)) });
  };
  subscribe(draw);
  hearCar((names) => { if (names.has("recommendation_id")) draw(); });
  setInterval(count, 500);
  draw();
  return draw;
}

function retry() {
  return trip.failure.passing && !trip.promise ? () => ask().catch(() => { /* shown again */ }) : null;
}

function shown() {
  switch (trip.phase) {
    case "none": return trip.failure ? null : empty("drive.none");
    case "asking": case "resuming": return loading();
    case "empty": return nothing();
    case "gone": return [h("div", { class: "state error", role: "alert" }, h("strong", {}, t("drive.gone.title")), h("p", {}, t("drive.gone.text"))), anew()];
    case "ended": return ending();
    default: return [byItself(), news(), proposal(), answer()];
  }
}

function anew() {
  return h("div", { class: "row" }, h("button", { type: "button", class: "main", "data-key": "again", onclick: again }, t("drive.anew")));
}

function nothing() {
  const { empty_text, empty_reason, next_free_at } = trip.empty;
  return [h("div", { class: "state", role: "status" }, h("strong", {}, empty_text || empty_reason),
    next_free_at && h("p", {}, t("drive.next_free", { at: clock(seconds(next_free_at), false) }))), reminder()];
}

function reminder() {
  return trip.reminder && h("p", { class: "banner", id: "reminder" }, trip.reminder.text);
}

// Why it changed, in the coordinator's sentence, or in our words where that is of another language.
function sentence(change) {
  return trip.language === language || !known(`change.${change.code}`) ? change.text : t(`change.${change.code}`);
}

function byItself() {
  return trip.by_itself && h("p", { class: "banner", id: "by-itself", role: "alert" }, t("drive.asked_itself", { below: number(car.below_pct) }));
}

function news() {
  const change = trip.news;
  if (!change) return null;
  const moved = change.from_evse_id !== change.to_evse_id;
  return h("div", { class: "banner news", id: "news", role: moved ? "alert" : "status", "data-code": change.code, "data-state": moved ? "lost" : null },
    h("strong", {}, moved ? t("drive.moved", { to: title(trip.promise) }) : t("drive.news")), " ", sentence(change));
}

function proposal() {
  const { proposal: offered } = trip;
  if (!offered) return null;
  const until = seconds(offered.accept_before);
  return h("section", { class: "banner", id: "proposal", role: "alert" },
    h("p", {}, h("strong", {}, t("drive.better", { to: title(offered) })), " ", offered.choice.summary),
    until && h("p", { class: "small" }, t("drive.better.until", { at: clock(until) })),
    h("div", { class: "row" }, button("accept", "drive.accept", () => decide(true), true), button("keep", "drive.keep", () => decide(false))));
}

function button(key, words, act, main = false) {
  return h("button", { type: "button", "data-key": key, id: key, class: main && "main", disabled: Boolean(trip.busy), onclick: act }, t(words));
}

function title(promise) {
  const { evse } = promise.choice;
  return evse.label || evse.station_name || evse.pile_id;
}

function answer() {
  const { promise } = trip;
  const { choice } = promise;
  const atPile = promise.stage === "STAGE_PILE";
  return [
    h("h2", { id: "answer" }, atPile ? t("drive.pile", { pile: title(promise), station: choice.evse.station_name }) : t("drive.area", { area: promise.area.name })),
    h("p", { class: "quiet" }, atPile ? null : t("drive.area.text", { pile: title(promise), n: number(promise.area.station_ids.length) })),
    trip.phase === "without_place" && h("p", { class: "banner", "data-state": "lost", role: "alert" }, t("drive.without_place")),
    h("p", { id: "summary" }, choice.summary), holdLine(), actions(), numbers(choice), reminder(), caveats(promise),
    reasons(choice), alternatives(promise), passedOver(promise), changes(), links(choice),
  ];
}

function holdLine() {
  const { hold } = trip.promise.choice;
  const kind = hold.kind.replace("HOLD_KIND_", "");
  const reason = hold.reason_code && known(`hold_reason.${hold.reason_code}`) ? ` · ${word("hold_reason", hold.reason_code)}` : "";
  const until = seconds(hold.until);
  if (!held(trip.promise)) return h("p", { id: "hold", class: "is-bad" }, t("drive.unheld", { why: word("drive.unheld", hold.reason_code) }));
  return h("div", { id: "hold" },
    h("p", {}, icon(kind === "FIRM" ? "free" : "partly"), " ", word("hold", kind), reason, until && ` · ${t("until", { at: clock(until, false) })}`),
    trip.phase === "offered" && !trip.confirmed && h("p", { class: "is-warn", id: "left" }),
    hold.queue_position > 0 && h("p", { id: "queue" }, t("drive.queue", { n: number(hold.queue_position) })),
    h("p", { class: "small quiet" }, `${t("level")}: ${t(`level.${trip.promise.level.replace("WARNING_LEVEL_", "").toLowerCase()}`)} · ${word("level_reason", trip.promise.level_reason)}`));
}

function actions() {
  if (!held(trip.promise)) return h("div", { class: "row" }, button("again", "drive.anew", again, true));
  const offered = trip.phase === "offered" && !trip.confirmed;
  return h("div", { class: "row actions" },
    offered && button("confirm", "drive.confirm", () => confirm(), true),
    !offered && trip.phase !== "arrived" && button("arrived", "drive.arrived", async () => { await report(); await arrived(); }, true),
    button("release", "drive.release", release),
    trip.phase === "arrived" && carsAhead());
}

function carsAhead() {
  const input = h("input", { type: "number", min: 0, max: 50, value: 0, id: "ahead", "data-key": "ahead" });
  return [h("p", { class: "is-good" }, t("drive.here")), h("label", { for: "ahead" }, t("drive.ahead")), input,
    button("tell-ahead", "drive.ahead.tell", () => report({ cars_ahead: Math.max(0, Math.min(50, Math.round(Number(input.value) || 0))) }))];
}

const within = (quantiles) => t("drive.within", { p90: span(quantiles.p90) });
const middle = (quantiles) => [span(quantiles.p50), h("small", {}, within(quantiles))];

function price({ total, quality }) {
  return total ? money(Number(total.micros) / 1e6, total.currency) : word("drive.quality", quality);
}

function numbers(choice) {
  const age = choice.status_updated_at ? now_s() - seconds(choice.status_updated_at) : null;
  const good = seconds(choice.last_successful_session_at);
  const rough = choice.route_quality !== "QUALITY_EXACT";
  const state = choice.status.replace("EVSE_STATUS_", "");
  return [
    figures([
      [rough ? t("drive.eta.rough") : t("drive"), middle(choice.eta_s)], [t("wait"), middle(choice.wait_s)],
      [t("price"), price(choice.price)], [t("done_at"), clock(seconds(choice.done_at), false)],
    ]),
    facts([
      [t("charge"), `${span(choice.charge_duration_s)} · ${number(choice.expected_power_kw)} kW · ${number(choice.arrival_soc_pct)} % → ${number(choice.target_soc_pct)} %`],
      [t("drive.distance"), `${number(choice.distance_km, 1)} km`],
      [t("drive.breakdown"), choice.price.breakdown.map((line) => `${word("drive.dimension", line.dimension)} ${money(Number(line.amount.micros) / 1e6, line.amount.currency)}`).join(", ")],
      [t("drive.p_success"), percent(choice.p_success, 0)],
      [t("drive.seen"), h("span", { class: `chip is-${stateOf(state)}` }, icon(stateOf(state)), word("status", state), ` · ${age === null ? t("never_heard") : t("ago", { span: span(age) })}`)],
      [t("drive.last_good"), good === null ? "" : t("ago", { span: span(now_s() - good) })],
    ]),
  ];
}

function caveats(promise) {
  const told = [
    promise.degraded && t("drive.degraded"),
    promise.relaxed_filters.length && t("drive.relaxed"),
    promise.choice.data_quality !== "FRESH" && t("drive.old_data"),
  ].filter(Boolean);
  return told.length > 0 && h("ul", { class: "plain small is-warn", id: "caveats" }, told.map((text) => h("li", {}, text)));
}

function reasons(choice) {
  return choice.reasons.length > 0 && [h("h3", {}, t("reasons")), h("ul", { class: "plain", id: "reasons" }, choice.reasons.map((reason) =>
    h("li", {}, h("span", { class: reason.sign > 0 ? "is-good" : "is-bad" }, reason.sign > 0 ? "+ " : "− "), reason.text)))];
}

function alternatives(promise) {
  if (!promise.alternatives.length) return null;
  const one = (other) => h("li", { class: "alternative" },
    h("div", {}, h("strong", {}, other.evse.label || other.evse.pile_id), ` · ${other.evse.station_name}`,
      h("div", { class: "small" }, `${other.difference?.text || ""} · ${t("drive")} ${span(other.eta_s.p50)} · ${t("wait")} ${span(other.wait_s.p50)} · ${t("price")} ${price(other.price)}`)),
    held(promise) && h("button", { type: "button", "data-key": `take-${other.evse.evse_id}`, disabled: Boolean(trip.busy), onclick: () => confirm(other.evse.evse_id) },
      t("drive.take"), h("span", { class: "hidden" }, ` ${other.evse.label || other.evse.pile_id}`)));
  return [h("h3", {}, t("alternatives")), h("ul", { class: "plain", id: "alternatives" }, promise.alternatives.map(one))];
}

function passedOver(promise) {
  return promise.why_not.length > 0 && [h("h3", {}, t("why_not")), h("ul", { class: "plain", id: "why-not" }, promise.why_not.map((one) => h("li", {}, one.text)))];
}

function changes() {
  if (trip.changes.length < 2) return null;
  const one = (change) => h("li", {}, h("time", { class: "quiet small" }, clock(change.at_s)), ` ${word("change", change.code)}`,
    change.from && change.to && change.from !== change.to && `: ${change.from} → ${change.to}`);
  return h("details", { id: "changes" }, h("summary", {}, t("drive.changes", { n: number(trip.changes.length - 1) })), h("ol", { class: "plain" }, trip.changes.map(one)));
}

function links(choice) {
  return h("p", { class: "row small" }, h("a", { href: choice.geo_uri }, t("drive.navigate")),
    h("a", { href: choice.map_url, target: "_blank", rel: "noreferrer noopener" }, t("drive.osm")),
    /^https:/.test(choice.operator_url) && h("a", { href: choice.operator_url, target: "_blank", rel: "noreferrer noopener" }, t("drive.operator")));
}

function ending() {
  const { ended } = trip;
  const asks = trip.promise && !ended.thanked && ["ARRIVED", "NO_SHOW", "RELEASED"].includes(ended.code);
  return [h("div", { class: "state", role: "status" }, h("strong", {}, word("drive.closed", ended.code)), trip.language === language ? ended.text : ""),
    ended.thanked && h("p", { class: "is-good", role: "status" }, t("drive.thanks")),
    asks && [h("h3", {}, t("drive.how")), h("div", { class: "row", id: "outcomes" }, OUTCOMES.map((kind) =>
      h("button", { type: "button", "data-key": kind, disabled: Boolean(trip.busy), onclick: () => outcome(`OUTCOME_KIND_${kind}`) }, t(`drive.outcome.${kind}`))))],
    anew()];
}
