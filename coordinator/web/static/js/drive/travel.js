// What moves the car on this page: its own locating, what the car itself pushed, or a drive that is
// only played; and when the coordinator is told of it.

import { Threshold } from "./threshold.js";
import { car, set, subscribe } from "./car.js";
import { on, picture } from "./link.js";
import { active, arrived, ask, become, confirm, report, trip } from "./trip.js";

const TICK_MS = 250;
const SPEED_KMH = 40;
const KWH_PER_KM = 0.18;
const THERE_KM = 0.03;
const REPORT_MS = 5_000; // at least so often while something changes,
const REPORT_KM = 0.2; // or after so much way,
const LEAST_MS = 1_000; // and never more often
const RETRY_MS = 5_000;

export const played = { running: false, factor: 1 };
let threshold = new Threshold(car.below_pct);
let timer = 0;
let aim = null;
let told = { at: 0, lat: null, lon: null };
let late = 0;
let watched = null;

export function start() {
  threshold = new Threshold(car.below_pct);
  subscribe((names) => {
    if (names.has("below_pct")) threshold = new Threshold(car.below_pct);
    if (["soc_pct", "below_pct", "by_itself", "lat"].some((name) => names.has(name))) observe();
    if (["soc_pct", "lat", "lon"].some((name) => names.has(name))) tell();
  });
  on("pushed", (pushed) => set({
    soc_pct: pushed.soc_pct,
    ...("latitude_deg" in pushed && { lat: pushed.latitude_deg, lon: pushed.longitude_deg, accuracy_m: null, measured: true }),
  }));
}

// Asks by itself when the charge falls below the threshold (patent step 310).
function observe() {
  if (!car.by_itself || !threshold.crossed(car.soc_pct)) return;
  if (active() || trip.phase === "asking" || trip.phase === "resuming") return;
  if (car.lat === null) {
    threshold.reset();
    become({ note: "drive.note.no_place" });
    return;
  }
  ask(true).then(() => (trip.phase === "offered" && car.take_it ? confirm() : null)).catch((error) => {
    if (!error.passing) return;
    threshold.reset();
    setTimeout(observe, RETRY_MS);
  });
}

// Tells the coordinator where the car is, as often as it wants to know.
function tell() {
  if (!active()) return;
  clearTimeout(late);
  const silent_ms = Date.now() - told.at;
  const far = told.lat === null || apart_km(told.lat, told.lon, car.lat, car.lon) >= REPORT_KM;
  if (silent_ms < LEAST_MS || (silent_ms < REPORT_MS && !far)) {
    late = setTimeout(tell, far ? LEAST_MS - silent_ms : REPORT_MS - silent_ms);
    return;
  }
  told = { at: Date.now(), lat: car.lat, lon: car.lon };
  report();
}

// Where this device is, once or from now on; `failed` gets the browser's reason.
export function locate(failed) {
  const found = ({ coords }) => set({ lat: coords.latitude, lon: coords.longitude, accuracy_m: coords.accuracy, measured: true });
  navigator.geolocation.getCurrentPosition(found, failed, { enableHighAccuracy: true, timeout: 15_000 });
}

export function follow(wanted, failed) {
  if (watched !== null) navigator.geolocation.clearWatch(watched);
  watched = null;
  if (!wanted) return;
  watched = navigator.geolocation.watchPosition(({ coords }) => set({
    lat: coords.latitude, lon: coords.longitude, accuracy_m: coords.accuracy, measured: true,
  }), failed, { enableHighAccuracy: true });
}

export function following() {
  return watched !== null;
}

// A drive that is only played: straight on, to the promised place, to the destination, or about.
export function play(running) {
  clearInterval(timer);
  played.running = running;
  aim = null;
  if (running) timer = setInterval(tick, TICK_MS);
}

function tick() {
  const to = target();
  if (!to || car.lat === null || car.soc_pct <= 0) { play(false); become({}); return; }
  const way_km = (SPEED_KMH * TICK_MS * picture.speed * played.factor) / 3_600_000;
  const left_km = apart_km(car.lat, car.lon, ...to);
  const share = left_km <= way_km ? 1 : way_km / left_km;
  const used_pct = (100 * KWH_PER_KM * Math.min(way_km, left_km)) / car.battery_kwh;
  set({
    lat: car.lat + share * (to[0] - car.lat), lon: car.lon + share * (to[1] - car.lon),
    accuracy_m: null, measured: false, soc_pct: Math.max(0, Math.round(100 * (car.soc_pct - used_pct)) / 100),
  });
  if (apart_km(car.lat, car.lon, ...to) > THERE_KM) return;
  aim = null;
  if (!active()) return;
  play(false);
  report().then(arrived);
}

function target() {
  if (active() && trip.promise) {
    const { latitude_deg, longitude_deg } = trip.promise.area.navigate_to;
    return [latitude_deg, longitude_deg];
  }
  if (car.destination && apart_km(car.lat, car.lon, ...car.destination) > THERE_KM) return car.destination;
  const stations = [...picture.stations.values()];
  if (!aim && stations.length) {
    const { lat, lon } = stations[Math.floor(Math.random() * stations.length)];
    aim = [lat + 0.004, lon + 0.004]; // near it, as somebody does who looks around
  }
  return aim;
}

// Flat is near enough for a page: kilometres between two places.
export function apart_km(lat, lon, lat2, lon2) {
  const east = (lon2 - lon) * Math.cos((lat * Math.PI) / 180);
  return 111.2 * Math.hypot(lat2 - lat, east);
}
