// The live page: map, faults, what happens, stations and cars.

import { get } from "./api.js";
import { card, fill, figures, h, table } from "./dom.js";
import { known, t, word } from "./i18n.js";
import { clock, number, span } from "./format.js";
import { picture, subscribe } from "./stream.js";
import { chip, level, STATES, status } from "./shapes.js";
import { broken, empty, loading } from "./states.js";
import { DistrictMap } from "./map.js";

const ROADS_S = 10;

export function live(root) {
  const banner = h("div", { id: "banner" });
  const numbers = h("div", { id: "numbers" });
  const mapBox = h("div", { class: "map", role: "region", id: "map", "aria-label": t("page.live") });
  const notes = h("div", {});
  const roadNote = h("p", { class: "quiet small", id: "roads" });
  const faults = h("div", { id: "faults" });
  const ticker = h("div", { id: "ticker" });
  const stations = h("div", { id: "stations" });
  const cars = h("div", { id: "cars" });
  const legend = h("ul", { class: "legend" }, STATES.map((state) => h("li", {}, chip(state))),
    h("li", { class: "quiet" }, t("legend.lines")));
  const list = (name, part) => h("div", { class: "list", tabindex: "0", role: "region", "aria-label": t(name) }, part);
  fill(root, h("h1", { class: "hidden" }, t("page.live")), banner,
    h("div", { class: "live" },
      h("div", {}, card(null, numbers, mapBox, legend, roadNote, notes)),
      h("div", {}, card(t("faults"), h("p", { class: "quiet small" }, t("faults.order")), list("faults", faults)),
        card(t("ticker"), list("ticker", ticker)))),
    h("div", { class: "grid" }, card(t("cars"), cars), card(t("stations"), stations)));

  let map = null;
  try {
    map = new DistrictMap(mapBox, choose);
  } catch (error) {
    fill(notes, broken(error));
  }

  function choose({ car, station }) {
    if (station) { location.hash = `#/piles/${encodeURIComponent(`station:${station}`)}`; return; }
    if (map) map.chosen = map.chosen === car ? "" : car;
    parts.cars();
    document.querySelector(`#cars [data-key="${CSS.escape(car)}"]`)?.scrollIntoView({ block: "nearest" });
  }

  function redraw() {
    if (map) map.draw(picture.stations, picture.cars);
  }

  const parts = {
    head: () => { fill(numbers, heading()); fill(banner, warning()); },
    stations: () => { fill(stations, stationTable(map)); redraw(); },
    cars: () => { fill(cars, carTable(map, choose)); redraw(); },
    faults: () => fill(faults, faultList()),
    events: () => fill(ticker, eventList()),
  };
  const roads = polled("/api/roads", ROADS_S, (told) => {
    fill(roadNote, roadSentence(told));
    map?.drawRoads(told.roads);
  });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", redraw);
  const ages = setInterval(() => picture.loaded && parts.faults(), 10_000);

  function update(names) {
    if (!picture.loaded) {
      for (const part of [stations, cars, faults, ticker]) if (!part.firstChild) fill(part, loading());
      parts.head();
      return;
    }
    const all = names.has("all");
    for (const [name, draw] of Object.entries(parts)) if (all || names.has(name)) draw();
  }
  update(new Set(["all"]));
  const stop = subscribe(update);
  return () => {
    stop();
    roads.stop();
    clearInterval(ages);
    dark.removeEventListener("change", redraw);
    if (map) map.remove();
  };
}

// Asks now and every `period_s`; what fails is tried again, for the stream says that it is lost.
function polled(path, period_s, show) {
  let stopped = false;
  const ask = async () => {
    try {
      const told = await get(path);
      if (!stopped) show(told);
    } catch {
      // The banner of the page says so already.
    }
  };
  ask();
  const timer = setInterval(ask, period_s * 1000);
  return { stop() { stopped = true; clearInterval(timer); } };
}

function roadSentence(told) {
  if (!told.known) return t("roads.none");
  const values = { n: number(told.total), measured: number(told.measured), cars: number(told.cars) };
  const text = t(told.ways ? "roads.text" : "roads.no_ways", values);
  return told.total > told.roads.length ? `${text} ${t("roads.busiest", { n: number(told.roads.length) })}` : text;
}

function warning() {
  if (picture.state === "live" || picture.state === "connecting") return null;
  return h("p", { class: "banner", "data-state": picture.state, role: "alert" },
    t(`banner.${picture.state}`, { at: clock(picture.as_of_s) }), " ",
    picture.reason && word("reason", picture.reason));
}

function heading() {
  const of = (name) => [...picture.stations.values()].reduce((sum, station) => sum + station[name], 0);
  const counted = (value) => (picture.loaded ? number(value) : "–");
  return figures([
    [t("count.free"), counted(of("free"))],
    [t("count.busy"), counted(of("busy"))],
    [t("count.wrong"), counted(of("blocked") + of("broken"))],
    [t("count.unknown"), counted(of("unknown"))],
    [t("count.cars"), counted(picture.cars.size)],
    [t("count.recommendations"), number(picture.counts.recommendations)],
    [t("count.conflicts"), number(picture.counts.conflicts_resolved)],
    [t("count.reroutes"), number(picture.counts.reroutes)],
  ]);
}

function more(total, shown) {
  return total > shown && h("p", { class: "quiet" }, t("and_more", { n: number(total - shown) }));
}

function faultList() {
  const { total, worst } = picture.faults;
  if (!total) return empty("no_faults");
  return [h("ol", { class: "plain faults" }, worst.map(fault)), more(total, worst.length)];
}

function fault(entry) {
  const age = entry.since_s === null ? t("never_heard") : t("since", { span: span(picture.as_of_s - entry.since_s) });
  return h("li", { "data-evse": entry.evse },
    h("div", { class: "drivers" }, number(entry.drivers), h("small", {}, t("drivers"))),
    h("div", {},
      h("div", {}, h("a", { href: `#/piles/${encodeURIComponent(entry.pile)}`, "data-key": `fault-${entry.evse}` }, entry.label), " ", status(entry.status),
        entry.code && h("span", { class: "mono" }, ` ${entry.code}`)),
      h("div", { class: "quiet small" }, `${entry.station_name} · ${age}`, " · ", h("span", { class: "lost" }, lost(entry))),
      h("div", { class: "small" }, t(`advice.${entry.advice}`, { agent: entry.agent || "–" }))));
}

// Energy not delivered since, estimated from usual use; a dash where nothing usual is known.
function lost(entry) {
  if (entry.usual_kw === null || entry.since_s === null) return t("lost.unknown");
  const kwh = (entry.usual_kw * Math.max(0, picture.as_of_s - entry.since_s)) / 3600;
  return t("lost", { kwh: number(kwh, kwh < 10 ? 1 : 0) });
}

function eventList() {
  if (!picture.events.length) return empty("no_events");
  return h("ol", { class: "plain ticker" }, [...picture.events].reverse().map((event) =>
    h("li", { "data-kind": event.kind }, h("time", {}, clock(event.at_s)),
      h("span", {}, h("span", { class: "kind" }, word("kind", event.kind)), sentence(event)))));
}

// The event in the language of the page where there are words for it, else as the coordinator says.
export function sentence(event) {
  const key = `event.${event.kind}`;
  if (!known(key)) return event.text;
  const { facts } = event;
  return t(key, {
    car: event.car, evse: event.evse, wanted: facts.wanted_evse_id || "", from: facts.from_evse_id || "",
    to: facts.to_evse_id || "–", got: facts.evse_id || "", before: word("status", facts.before || ""),
    after: word("status", facts.after || ""), why: facts.code ? word("change", facts.code) : "",
    fault: facts.fault_code ? ` (${facts.fault_code})` : "",
  });
}

function stationTable(map) {
  const stations = [...picture.stations.values()].sort((a, b) => a.name.localeCompare(b.name));
  if (!stations.length) return empty("no_stations");
  const centre = (station) => h("button", { type: "button", class: "plain", "data-key": `at-${station.id}`, onclick: () => map?.show(station.lat, station.lon) }, station.name);
  const columns = [
    { name: t("station"), cell: centre },
    { name: t("state"), cell: (station) => chip(station.state) },
    { name: t("kind.free"), number: true, cell: (station) => number(station.free) },
    { name: t("kind.busy"), number: true, cell: (station) => number(station.busy) },
    { name: t("kind.wrong"), number: true, cell: (station) => number(station.blocked + station.broken + station.unknown) },
    { name: t("kind.held"), number: true, cell: (station) => number(station.held) },
    { name: t("page.piles"), cell: (station) => h("a", { href: `#/piles/${encodeURIComponent(`station:${station.id}`)}`, "data-key": `piles-${station.id}` }, t("to_piles")) },
  ];
  const shown = stations.slice(0, 200);
  return [table(t("stations"), columns, shown, (station) => station.id), more(stations.length, shown.length)];
}

const URGENCY = { high: 0, medium: 1, low: 2 };

function carTable(map, choose) {
  const cars = [...picture.cars.values()].sort((a, b) => URGENCY[a.level] - URGENCY[b.level] || a.car.localeCompare(b.car));
  if (!cars.length) return empty("no_cars");
  const name = (car) => h("button", {
    type: "button", class: "plain", "data-key": car.id, "aria-pressed": String(map?.chosen === car.id),
    onclick: () => choose({ car: car.id }),
  }, car.car);
  const place = (car) => (car.phase === "without_place" ? h("span", { class: "is-bad" }, t("phase.without_place"))
    : h("a", { href: `#/recommendations/${encodeURIComponent(car.id)}`, "data-key": `why-${car.id}` }, car.station_name || car.evse || "–"));
  const columns = [
    { name: t("car"), cell: name },
    { name: t("level"), cell: (car) => level(car.level) },
    { name: t("soc"), number: true, cell: (car) => `${number(car.soc_pct)} %` },
    { name: t("goes_to"), cell: place },
    { name: t("phase"), cell: (car) => t(`phase.${car.phase}`) },
    { name: t("wait"), number: true, cell: (car) => span(car.wait_s) },
    { name: t("change"), cell: (car) => car.change && word("change", car.change) },
  ];
  const shown = cars.slice(0, 200);
  return [table(t("cars"), columns, shown, (car) => car.car), more(cars.length, shown.length)];
}
