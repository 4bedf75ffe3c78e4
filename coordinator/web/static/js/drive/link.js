// What the coordinator says and is asked: the one stream of this tab, and the calls of its car.

import { Failure } from "../api.js";
import { localTime } from "../format.js";
import { language } from "../i18n.js";
import { car, random } from "./car.js";

const SILENT_MS = 15_000;
const AGAIN_MS = 3_000;

export const picture = {
  state: "connecting", // connecting, live, stale, lost
  reason: "", loaded: false, district: "", speed: 1, as_of_s: null, stations: new Map(),
};

const tab = random(8);
const hearers = {};
let source = null;
let heardAt = 0;
let lastId = "";
let again = 0;

// on("promise", hear): picture, promise, gone, closed, reminder, pushed.
export function on(name, hear) {
  (hearers[name] ||= new Set()).add(hear);
}

function tell(name, value) {
  for (const hear of hearers[name] || []) hear(value);
}

// Domain time now, as far as it is known.
export function now_s() {
  if (picture.as_of_s === null) return null;
  return picture.as_of_s + ((Date.now() - heardAt) / 1000) * picture.speed;
}

// Opens the stream, or opens it anew for another promise or language; the coordinator ends the old one.
export function open() {
  clearTimeout(again);
  source?.close();
  const query = new URLSearchParams({ tab, driver: car.secret, recommendation_id: car.recommendation_id, language, after: lastId });
  source = new EventSource(`/api/drive/stream?${query}`);
  const hear = (name, take) => source.addEventListener(name, (event) => {
    if (event.lastEventId) lastId = event.lastEventId;
    take(JSON.parse(event.data));
  });
  hear("snapshot", begin);
  hear("change", head);
  hear("beat", head);
  hear("end", (told) => { picture.reason = told.reason; });
  for (const name of ["promise", "gone", "closed", "reminder", "pushed"]) hear(name, (told) => tell(name, told));
  source.onerror = lost;
}

function lost() {
  setState("lost");
  // A refusal is not tried again by the browser itself.
  if (source.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
}

setInterval(() => {
  if (picture.state === "live" && Date.now() - heardAt > SILENT_MS) setState("stale");
}, 1_000);

function setState(state) {
  if (picture.state === state) return;
  picture.state = state;
  tell("picture", { state });
}

function begin(told) {
  Object.assign(picture, { district: told.district, speed: told.speed, loaded: true });
  picture.stations = new Map();
  head(told);
}

function head(told) {
  heardAt = Date.now();
  picture.as_of_s = told.as_of_s;
  picture.state = "live";
  picture.reason = "";
  localTime(told.offset_h);
  for (const station of told.stations || []) picture.stations.set(station.id, station);
  tell("picture", { state: "live", stations: Boolean(told.stations) });
}

// One call; a failure has the fields that are wrong, and says whether it is worth another try.
export async function call(name, body) {
  const headers = { "content-type": "application/json", "x-pilewise-driver": car.secret };
  let response;
  try {
    response = await fetch(`/api/drive/${name}`, { method: "POST", headers, body: JSON.stringify(body) });
  } catch (error) {
    throw failure(0, { code: "WEB-000", message: String(error.message) });
  }
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw failure(response.status, told.error || {});
  return told;
}

function failure(status, told) {
  const made = new Failure(status, told);
  made.fields = told.fields || {};
  made.passing = status === 0 || status >= 500 || status === 429;
  return made;
}

// An instant of the contract's JSON as seconds since 1970.
export function seconds(text) {
  return text ? Date.parse(text) / 1000 : null;
}
