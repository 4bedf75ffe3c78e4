// Models: what serves, what scores beside, their cards and pictures; swapping needs a token.

import { card, facts, fill, h, table } from "./dom.js";
import { t, word } from "./i18n.js";
import { clock, day, number, percent } from "./format.js";
import { get, post, token } from "./api.js";
import { broken, empty, kept } from "./states.js";

const PERIOD_S = 10;

export function models(root) {
  const note = h("div", { role: "status" });
  const body = h("div", { id: "models" });
  fill(root, h("h1", {}, t("page.models")), note, body);
  const page = kept(body, (signal) => get("/api/models", signal), (part, told) => {
    // What somebody opened or typed stays as it is; only new facts redraw.
    const now = JSON.stringify({ ...told, as_of_s: 0 });
    if (part.dataset.told === now) return;
    part.dataset.told = now;
    fill(part, shown(told, act));
  }, PERIOD_S);

  async function act(action, bundle = "") {
    fill(note, h("p", { class: "state" }, t("loading")));
    try {
      await post("/api/models", { action, ...(bundle && { bundle }) });
      fill(note, h("p", { class: "banner" }, t(`models.done.${action}`)));
      page.refresh();
    } catch (error) {
      fill(note, broken(error));
    }
  }
  return page.stop;
}

function shown(told, act) {
  return [told.degraded && h("p", { class: "banner", role: "alert" }, t("models.degraded")),
    told.expired && h("p", { class: "banner", role: "alert" }, t("models.expired")),
    told.problems.map((problem) => h("p", { class: "banner" }, problem)),
    actions(told, act),
    told.bundles.length ? told.bundles.map((bundle) => bundleCard(bundle, told)) : empty("models.none"),
    told.comparison && comparisonCard(told.comparison)];
}

function actions(told, act) {
  const previous = told.bundles.find(({ role }) => role === "previous");
  const shadow = told.bundles.find(({ role }) => role === "shadow");
  if (!told.may_act) return card(t("models.act"), h("p", { class: "quiet" }, t("models.read_only")));
  if (!token()) return card(t("models.act"), h("p", { class: "quiet" }, t("models.needs_token")));
  const folder = h("input", { type: "text", id: "bundle", "data-key": "bundle", placeholder: t("models.folder") });
  return card(t("models.act"), h("div", { class: "row" },
    h("label", { for: "bundle" }, t("models.bundle")), folder,
    h("button", { type: "button", class: "main", "data-key": "activate", onclick: () => act("activate", folder.value.trim()) }, t("models.activate")),
    h("button", { type: "button", "data-key": "shadow", onclick: () => act("shadow", folder.value.trim()) }, t(shadow && !folder.value ? "models.shadow_or_end" : "models.shadow")),
    h("button", { type: "button", "data-key": "rollback", disabled: !previous, onclick: () => act("rollback") }, t("models.rollback"))),
  h("p", { class: "quiet small" }, t("models.act_text")));
}

function bundleCard(bundle, told) {
  const columns = [
    { name: t("models.part"), cell: (part) => word("part", part.name) },
    { name: "SHA-256", cell: (part) => h("span", { class: "mono" }, part.sha256.slice(0, 12)) },
    { name: t("models.metrics"), cell: (part) => Object.entries(part.metrics).slice(0, 8).map(([name, value]) => h("div", { class: "small" }, `${name} ${measured(value)}`)) },
    { name: t("models.failed"), number: true, cell: (part) => number(part.failed_runs) },
    { name: t("models.slow"), number: true, cell: (part) => number(part.slow_runs) },
    { name: t("state"), cell: (part) => t(part.resting ? "models.resting" : "models.answering") },
  ];
  return card(`${word("role", bundle.role)}: ${bundle.name} ${bundle.version}`,
    facts([
      [t("models.hash"), bundle.sha256 && h("span", { class: "mono" }, bundle.sha256.slice(0, 24))],
      [t("models.came_from"), bundle.came_from],
      [t("models.signed_by"), bundle.signed_by || (bundle.parts.length ? t("models.nobody") : "")],
      [t("models.since"), bundle.role === "active" ? `${day(told.loaded_at_s)} ${clock(told.loaded_at_s)}` : ""],
      [t("models.until"), bundle.expires_at_s ? day(bundle.expires_at_s) : bundle.parts.length ? t("models.no_end") : ""],
    ]),
    bundle.parts.length > 0 && table(`${bundle.name} ${t("models.part")}`, columns, bundle.parts, (part) => part.name),
    bundle.plots.length > 0 && [h("h3", {}, t("models.plots")), h("div", { class: "grid" }, bundle.plots.map((name) => plot(bundle.role, name)))],
    bundle.card && h("details", {}, h("summary", {}, t("models.card")), h("pre", { tabindex: "0" }, bundle.card)));
}

// Counts as counts, shares with four digits, what is smaller than those by its size.
function measured(value) {
  if (Number.isInteger(value)) return number(value);
  return Math.abs(value) < 5e-5 ? value.toExponential(1) : number(value, 4);
}

function plot(role, name) {
  const words = name.replace(/\.svg$/, "").replace(/[._]/g, " ");
  return h("figure", {}, h("img", { class: "plot", loading: "lazy", src: `/api/models/${role}/plots/${encodeURIComponent(name)}`, alt: words }), h("figcaption", { class: "quiet small" }, words));
}

function comparisonCard(comparison) {
  const columns = [
    { name: t("models.part"), cell: ([name]) => word("part", name) },
    { name: t("models.runs"), number: true, cell: ([, part]) => number(part.runs) },
    { name: t("models.top1"), number: true, cell: ([, part]) => percent(part.top1_agreement) },
    { name: t("models.rank"), number: true, cell: ([, part]) => number(part.rank_agreement, 3) },
    { name: t("models.difference"), number: true, cell: ([, part]) => number(part.mean_difference, 4) },
    { name: t("models.p99"), number: true, cell: ([, part]) => `${number(1e3 * part.active_p99_s, 2)} / ${number(1e3 * part.shadow_p99_s, 2)} ms` },
  ];
  return card(t("models.compared"), h("p", { class: "quiet" }, t("models.compared_since", { at: `${day(comparison.since_s)} ${clock(comparison.since_s)}` })),
    table(t("models.compared"), columns, Object.entries(comparison.parts), ([name]) => name));
}
