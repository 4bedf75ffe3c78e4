// One pile: how it is, what its failure probability rests on, its likes, its facts and frames.

import { card, facts, fill, h, table } from "./dom.js";
import { t, word } from "./i18n.js";
import { ago, clock, day, number, percent, span } from "./format.js";
import { get, post } from "./api.js";
import { broken, empty, kept, loading } from "./states.js";
import { level, status } from "./shapes.js";
import { neighbourhood } from "./charts.js";
import { sentence } from "./live.js";

const PERIOD_S = 3;

export function pile(root, pileId) {
  const head = h("div", {});
  const frames = h("div", { id: "frames" }, h("p", { class: "quiet" }, t("frames.text")));
  const listen = h("button", { type: "button", onclick: () => capture(pileId, frames, listen) }, t("frames.listen"));
  const body = h("div", {});
  fill(root, h("p", {}, h("a", { href: "#/piles" }, `← ${t("page.piles")}`)), head, body,
    card(t("frames"), h("div", { class: "row" }, listen), frames));
  const page = kept(body, (signal) => get(`/api/piles/${encodeURIComponent(pileId)}`, signal), (part, told) => {
    document.title = `${told.label} · Pilewise`;
    fill(head, h("h1", {}, told.label, " ", h("span", { class: "quiet small" }, told.station_name)));
    fill(part, shown(told));
  }, PERIOD_S);
  return page.stop;
}

function shown(told) {
  return h("div", { class: "grid" }, told.evses.map((evse) => evseCard(evse, told.as_of_s)),
    likesCard(told), factsCard(told), urlCard(told), eventsCard(told));
}

function evseCard(evse, now) {
  const claims = evse.claims.map((claim) => h("li", {}, level(claim.level), " ",
    claim.recommendation ? h("a", { href: `#/recommendations/${encodeURIComponent(claim.recommendation)}` }, claim.car || t("walk_in")) : claim.car || t("walk_in"),
    ` · ${word("claim", claim.state)} · ${clock(claim.from_s, false)}–${clock(claim.to_s, false)}`));
  return card(evse.evse,
    h("p", {}, status(evse.status), evse.code && h("span", { class: "mono" }, ` ${evse.code}`)),
    evse.reason && h("p", { class: "quiet" }, evse.reason),
    facts([
      [t("since.name"), ago(evse.since_s, now)],
      [t("source"), `${word("source", evse.source)} · ${t("bay")}: ${word("bay", evse.bay)}`],
      [t("age"), span(evse.age_s)],
      [t("power"), `${evse.power_kw === null ? "–" : number(evse.power_kw, 1)} / ${number(evse.max_power_kw)} kW`],
      [t("last_success"), ago(evse.last_success_at_s, now)],
    ]),
    h("h3", {}, t("failure")),
    h("p", {}, t("failure.says", { p: percent(evse.failure_rate) })),
    facts([
      [t("failure.prior"), percent(evse.prior_rate)],
      [t("failure.exposure"), t("evidence.days", { n: number(evse.exposure_days, 2) })],
      [t("failure.faults"), number(evse.faults)],
      [t("failure.sessions"), number(evse.sessions)],
      [t("failure.charging"), span(evse.charging_s)],
    ]),
    h("h3", {}, t("claims")), claims.length ? h("ul", { class: "plain" }, claims) : h("p", { class: "quiet" }, t("claims.none")));
}

function likesCard(told) {
  const { map } = told;
  const title = t("likes");
  if (!map.ready) return card(title, empty("likes.not_ready"));
  if (!map.neighbours.length) return card(title, empty("likes.none", { threshold: number(map.threshold, 2) }));
  const label = t("likes.label", { n: map.total, pile: told.label });
  const columns = [
    { name: t("pile"), cell: (row) => h("a", { href: `#/piles/${encodeURIComponent(row.pile)}`, "data-key": `like-${row.evse}` }, row.label) },
    { name: t("likes.similarity"), number: true, cell: (row) => number(row.similarity, 3) },
    { name: t("failure"), number: true, cell: (row) => percent(row.failure_rate) },
    { name: t("status"), cell: (row) => status(row.status) },
  ];
  return card(title, h("p", { class: "quiet small" }, t("likes.text", { measure: word("measure", map.measure), threshold: number(map.threshold, 2), n: number(map.total) })),
    neighbourhood(label, told.label, told.evses[0].status, map.neighbours, map.threshold), table(title, columns, map.neighbours, (row) => row.evse));
}

function factsCard(told) {
  const columns = [
    { name: t("fact"), cell: (row) => word("fact", row.field) },
    { name: t("value"), text: true, cell: (row) => [row.value, h("div", { class: "quiet small" }, `${word("source", row.source)}, ${day(row.since_s)}`)] },
  ];
  const body = told.facts.length ? table(t("facts"), columns, told.facts, (row) => row.field) : empty("facts.none");
  return card(t("facts"), body, told.earlier > 0 && h("p", { class: "quiet small" }, t("facts.earlier", { n: number(told.earlier) })));
}

// What stands in a URL where the agent cannot know by which address its piles reach it.
const UNTOLD = "ADDRESS-OF-THIS-GATEWAY";

function urlCard(told) {
  const agent = [told.agent || "–", " ", told.connected
    ? h("span", { class: "is-good" }, t("connected")) : h("span", { class: "is-bad" }, t("not_connected"))];
  const dials = /^wss?:/.test(told.address);
  return card(t(told.address && !dials ? "asked_at" : "url"), facts([[t("agent"), agent]]),
    told.address
      ? [h("p", { class: "row" }, h("code", { class: "mono address", id: "address" }, told.address),
        dials && copyButton(told.address)),
      h("p", { class: "quiet small" }, t(!dials ? "asked_at.text" : told.address.includes(UNTOLD) ? "url.untold" : "url.text"))]
      : h("p", { class: "quiet" }, t("url.unknown")));
}

// The page is drawn anew every few seconds: whether it was copied is kept beside it.
let copied = "";

function copyButton(text) {
  const button = h("button", { type: "button", "data-key": "copy", onclick: () => copy(text, button) },
    t(copied === text ? "copied" : "copy"));
  return button;
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    copied = text;
    button.textContent = t("copied");
    setTimeout(() => { copied = ""; }, 5000);
  } catch {
    getSelection().selectAllChildren(document.getElementById("address")); // for Ctrl-C
    button.textContent = t("copy.by_key");
  }
}

function eventsCard(told) {
  if (!told.events.length) return card(t("ticker"), empty("no_events"));
  return card(t("ticker"), h("ol", { class: "plain ticker" }, told.events.map((event) =>
    h("li", { "data-kind": event.kind }, h("time", {}, clock(event.at_s)),
      h("span", {}, h("span", { class: "kind" }, word("kind", event.kind)), sentence(event))))));
}

async function capture(pileId, place, button) {
  button.disabled = true;
  fill(place, loading());
  try {
    const told = await post(`/api/piles/${encodeURIComponent(pileId)}/frames`, { duration_s: 5 });
    if (!told.frames.length) { fill(place, empty("frames.none")); return; }
    fill(place, h("p", { class: "quiet" }, [t("frames.count", { n: number(told.total) }), ...told.message.split("; ").slice(1)].join(" ")),
      h("pre", { class: "mono", tabindex: "0", role: "region", "aria-label": t("frames") }, told.frames.map((frame) => `${clock(frame.at_s)} ${frame.direction} ${frame.text}${frame.cut ? " …" : ""}`).join("\n")));
  } catch (error) {
    fill(place, broken(error));
  } finally {
    button.disabled = false;
  }
}
