// The frame of the driver's page: map, answer, form; language; and how fresh what is shown is.

import { card, fill, h } from "../dom.js";
import * as i18n from "../i18n.js";
import { t, word } from "../i18n.js";
import { clock } from "../format.js";
import { broken, empty } from "../states.js";
import { chip, STATES } from "../shapes.js";
import { car, load, set, subscribe as hearCar } from "./car.js";
import { on, open, picture } from "./link.js";
import { resume, subscribe as hearTrip } from "./trip.js";
import { start as travel } from "./travel.js";
import { form } from "./form.js";
import { promisePanel } from "./promise.js";
import { DriverMap } from "./map.js";

const LISTED = 200;
const main = document.getElementById("main");
const banner = h("div", { id: "banner" });
const mapBox = h("div", { class: "map", role: "region", id: "map" });
const mapNote = h("div", {});
const stationList = h("details", { id: "stations" });
const panel = h("section", { class: "card answer", id: "promise" });
const wishes = h("section", { class: "card", id: "wishes" });
let clicks = "here"; // what a click on the map means
let map = { centre: () => [0, 0], show() {}, redraw() {} };
let redraws = [];
let waiting = 0;

function pick(lat, lon) {
  if (clicks === "goal") set({ destination: [lat, lon] });
  else set({ lat, lon, accuracy_m: null, measured: false });
}

function choose({ station }) {
  const found = picture.stations.get(station);
  if (found) fill(mapNote, h("p", { role: "status" }, chip(found.state), " ", t("drive.station", { name: found.name, free: found.free, held: found.held })));
}

function clickChoice() {
  const option = (value) => h("label", {}, h("input", { type: "radio", name: "clicks", value, checked: clicks === value, onchange: () => { clicks = value; } }), t(`drive.clicks.${value}`));
  return h("fieldset", { class: "row clicks" }, h("legend", {}, t("drive.clicks")), option("here"), option("goal"));
}

function layout() {
  document.title = `${t("drive.title")} · Pilewise`;
  document.getElementById("skip").textContent = t("skip");
  panel.setAttribute("aria-label", t("drive.answer"));
  wishes.setAttribute("aria-label", t("drive.form"));
  fill(main, h("h1", { class: "hidden" }, t("drive.title")), banner,
    h("div", { class: "drive" }, h("div", { class: "where" }, card(null, mapBox, clickChoice(), mapNote, stationList)), h("div", { class: "talk" }, panel, wishes)));
  fill(document.getElementById("tools"), languageChoice());
}

function languageChoice() {
  const options = Object.entries(i18n.languages).map(([code, text]) =>
    h("option", { value: code, lang: code, selected: code === i18n.language }, text));
  const choose_ = async (event) => {
    await i18n.choose(event.target.value);
    layout();
    redraws.forEach((redraw) => redraw());
    head();
    open(); // the promise is told in this language
  };
  return h("label", {}, h("span", { class: "hidden" }, t("language")), h("select", { "data-key": "language", onchange: choose_ }, options));
}

function head() {
  const asof = document.getElementById("asof");
  asof.dataset.state = picture.state;
  const at = clock(picture.as_of_s);
  const text = picture.loaded ? t(`asof.${picture.state}`, { at }) : t(`asof.${picture.state === "lost" ? "lost_first" : "connecting"}`);
  if (asof.textContent !== text) asof.textContent = text;
  if (picture.district) document.getElementById("district").textContent = picture.district;
  const shown = picture.state === "lost" || picture.state === "stale";
  const said = !shown ? null : h("p", { class: "banner", "data-state": picture.state, role: "alert" },
    t(car.recommendation_id ? "drive.lost.held" : `banner.${picture.state}`, { at }), " ", picture.reason && word("reason", picture.reason));
  if (banner.dataset.state !== picture.state) { banner.dataset.state = picture.state; fill(banner, said); }
}

// The stations in words, for those who do not see the map.
function listStations() {
  const stations = [...picture.stations.values()].sort((a, b) => a.name.localeCompare(b.name)).slice(0, LISTED);
  fill(stationList,
    h("summary", { "data-key": "stations" }, t("drive.stations", { n: picture.stations.size })),
    h("ul", { class: "legend" }, STATES.map((state) => h("li", {}, chip(state)))),
    h("ul", { class: "plain" }, stations.map((station) =>
    h("li", {}, chip(station.state), " ", h("button", { type: "button", class: "plain", "data-key": `at-${station.id}`, onclick: () => { map.show(station.lat, station.lon); choose({ station: station.id }); } }, station.name)))));
}

// However much changes at once, the map is drawn once.
function redrawMap() {
  waiting ||= requestAnimationFrame(() => {
    waiting = 0;
    map.redraw();
    listStations();
    if (picture.loaded && !picture.stations.size) fill(mapNote, empty("drive.no_stations"));
  });
}

i18n.also("drive-");
await i18n.start();
load();
layout();
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
try {
  map = new DriverMap(mapBox, pick, choose);
} catch (error) {
  fill(mapNote, broken(error));
}
redraws = [promisePanel(panel), form(wishes, map), redrawMap];
travel();
on("picture", ({ stations }) => { head(); if (stations) redrawMap(); });
hearCar((names) => { if (["lat", "lon", "destination", "soc_pct"].some((name) => names.has(name))) redrawMap(); });
hearTrip(redrawMap);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawMap);
head();
redrawMap();
open();
resume();
