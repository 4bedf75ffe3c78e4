// The one stream of this tab: the whole picture first, then changes; every page reads from here.

import { localTime } from "./format.js";

const SILENT_MS = 15_000;
const TICKER = 80;
const FLUSH_MS = 100;

export const picture = {
  state: "connecting", // connecting, live, stale, lost
  as_of_s: null, speed: 1, district: "", agents: 0, counts: {}, reason: "",
  stations: new Map(), cars: new Map(), faults: { total: 0, worst: [] }, events: [],
  loaded: false,
};

const hearers = new Set();
let heardAt = 0;
let changed = new Set();
let timer = 0;

// hear(names) gets what changed; gives what ends it.
export function subscribe(hear) {
  hearers.add(hear);
  return () => hearers.delete(hear);
}

function tell(...names) {
  names.forEach((name) => changed.add(name));
  timer ||= setTimeout(flush, FLUSH_MS);
}

function flush() {
  timer = 0;
  const names = changed;
  changed = new Set();
  for (const hear of [...hearers]) hear(names);
}

export function start(tab) {
  const source = new EventSource(`/api/stream?tab=${encodeURIComponent(tab)}`);
  source.addEventListener("snapshot", (event) => begin(JSON.parse(event.data)));
  source.addEventListener("change", (event) => change(JSON.parse(event.data)));
  source.addEventListener("beat", (event) => head(JSON.parse(event.data)));
  source.addEventListener("end", (event) => { picture.reason = JSON.parse(event.data).reason; });
  source.onerror = () => {
    setState("lost");
    // A refusal is not tried again by the browser itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(start, 3_000, tab);
  };
}

setInterval(() => {
  if (picture.state === "live" && Date.now() - heardAt > SILENT_MS) setState("stale");
}, 1_000);

function setState(state) {
  if (picture.state === state) return;
  picture.state = state;
  tell("head");
}

function head(told) {
  heardAt = Date.now();
  picture.reason = "";
  if ("offset_h" in told) localTime(told.offset_h);
  for (const name of ["as_of_s", "counts", "agents"]) if (name in told) picture[name] = told[name];
  picture.state = "live";
  tell("head");
}

function begin(told) {
  picture.district = told.district;
  picture.speed = told.speed;
  picture.stations = new Map(told.stations.map((station) => [station.id, station]));
  picture.cars = new Map(told.cars.map((car) => [car.id, car]));
  picture.faults = told.faults;
  picture.events = told.events.slice(-TICKER);
  picture.loaded = true;
  head(told);
  tell("stations", "cars", "faults", "events", "all");
}

function change(told) {
  for (const station of told.stations || []) picture.stations.set(station.id, station);
  for (const car of told.cars || []) picture.cars.set(car.id, car);
  for (const id of told.gone || []) picture.cars.delete(id);
  if (told.faults) picture.faults = told.faults;
  if (told.events) {
    const ids = new Set(picture.events.map((event) => event.id));
    picture.events = [...picture.events, ...told.events.filter((event) => !ids.has(event.id))].slice(-TICKER);
  }
  head(told);
  if (told.stations) tell("stations");
  if (told.cars || told.gone) tell("cars");
  if (told.faults) tell("faults");
  if (told.events) tell("events");
}
