// From a request to the end of its promise: what is known of it, and what the driver does about it.

import { language } from "../i18n.js";
import { car, random, set } from "./car.js";
import { call, now_s, on, open, picture, seconds } from "./link.js";
import { localDay_s } from "../format.js";

const SAME_CLICK_MS = 60_000; // a click so soon after a failed one is the same request

// phase: none, asking, resuming, empty, unheld, offered, driving, arrived, without_place, ahead, ended, gone
export const trip = blank();
const hearers = new Set();

function blank() {
  return {
    phase: "none", promise: null, proposal: null, confirmed: false, changes: [], news: null, language: "",
    empty: null, ended: null, reminder: null, failure: null, busy: "", by_itself: false, note: "",
  };
}

export function subscribe(hear) {
  hearers.add(hear);
}

export function become(values) {
  Object.assign(trip, values);
  for (const hear of [...hearers]) hear();
}

export function active() {
  return ["offered", "driving", "arrived", "without_place", "ahead"].includes(trip.phase);
}

// The request in the words of the contract.
export function request() {
  const body = {
    vehicle: { battery_kwh: car.battery_kwh, ...(car.connector && { connectors: [car.connector] }) },
    soc_pct: car.soc_pct, position: position(), target_soc_pct: car.target_soc_pct, language,
  };
  if (car.order) body.select_by = car.order;
  if (car.destination) {
    body.destination = { latitude_deg: car.destination[0], longitude_deg: car.destination[1] };
    if (car.be_there_by) body.arrive_by = new Date(1000 * nextTime_s(car.be_there_by)).toISOString();
  }
  return body;
}

export function position() {
  const here = { latitude_deg: car.lat, longitude_deg: car.lon };
  if (car.measured) here.source = "POSITION_SOURCE_TERMINAL";
  if (car.accuracy_m !== null) here.accuracy_m = car.accuracy_m;
  return here;
}

// The next time that the district's clocks show "HH:MM".
function nextTime_s(text) {
  const [hours, minutes] = text.split(":").map(Number);
  const now = now_s() ?? Date.now() / 1000;
  const at = localDay_s(now) + 3600 * hours + 60 * minutes;
  return at > now ? at : at + 86_400;
}

let asking = null;

// The answer to a click; a second one before the answer is the same request.
export function ask(by_itself = false) {
  asking ||= send(by_itself).finally(() => { asking = null; });
  return asking;
}

async function send(by_itself) {
  const body = request();
  const text = JSON.stringify(body);
  const { pending } = car;
  const same = pending && pending.text === text && Date.now() - pending.at < SAME_CLICK_MS;
  const request_id = same ? pending.request_id : random();
  set({ pending: { request_id, text, at: Date.now() } });
  become({ ...blank(), phase: "asking", by_itself });
  try {
    answered(await call("recommend", { ...body, request_id }));
  } catch (error) {
    if (!error.passing) set({ pending: null });
    become({ phase: "none", failure: error });
    throw error;
  }
}

// Where this tab was before it was loaded anew: a promise that the stream will tell of, or a request
// whose answer it never saw, which is sent again.
export async function resume() {
  const { pending } = car;
  if (car.recommendation_id) become({ phase: "resuming" });
  if (!pending || Date.now() - pending.at > SAME_CLICK_MS) return;
  become({ phase: "asking" });
  try {
    answered(await call("recommend", { ...JSON.parse(pending.text), request_id: pending.request_id }));
  } catch (error) {
    become({ phase: "none", failure: error });
  }
}

function answered(told) {
  const { promise } = told;
  set({ pending: null, recommendation_id: promise && held(promise) ? promise.recommendation_id : "" });
  if (!promise) become({ phase: "empty", empty: told, reminder: told.reminder || null });
  else if (!held(promise)) become({ phase: "unheld", promise });
  else become({ phase: "offered", promise, language });
  open();
}

export function held(promise) {
  return Boolean(promise.choice.hold.claim_id);
}

on("promise", (told) => {
  const { promise } = told;
  if (promise.recommendation_id !== car.recommendation_id) return;
  const before = trip.promise;
  const { change } = promise;
  const values = {
    // The end comes in a frame of its own, with its sentence.
    phase: told.phase === "ended" ? trip.phase : told.phase, promise, proposal: told.proposal, confirmed: told.confirmed,
    changes: told.changes, language: told.language, empty: null,
  };
  // What this tab has not shown yet, whether it was told at once or after a lost connection.
  if (before && change && promise.revision > before.revision) values.news = change;
  become(values);
});

on("closed", (told) => {
  // While a new request is under way, the end of the old promise is no news.
  if (told.recommendation_id !== car.recommendation_id || trip.phase === "asking") return;
  set({ recommendation_id: "" });
  become({ phase: "ended", ended: told, proposal: null });
});

on("gone", (told) => {
  if (told.recommendation_id !== car.recommendation_id) return;
  set({ recommendation_id: "" });
  become({ ...blank(), phase: "gone" });
});

on("reminder", (reminder) => become({ reminder }));

// What the driver does: one at a time, told to the coordinator, and its refusal shown.
async function act(name, path, body) {
  if (trip.busy) return null;
  become({ busy: name, failure: null });
  try {
    const told = await call(path, { recommendation_id: trip.promise.recommendation_id, ...body });
    become({ busy: "" });
    return told;
  } catch (error) {
    become({ busy: "", failure: error });
    return null;
  }
}

export async function confirm(evse_id = "") {
  const told = await act("confirm", "confirm", { evse_id });
  if (told) become({ promise: told.promise, confirmed: true, phase: trip.phase === "offered" ? "driving" : trip.phase });
}

export async function release() {
  await act("release", "release", {});
}

export async function decide(accepted) {
  const { revision } = trip.proposal;
  const body = { known_revision: trip.promise.revision, decision: { revision, accepted } };
  if (await act("decide", "progress", body)) become({ proposal: null });
}

export async function arrived() {
  await act("arrived", "progress", { known_revision: trip.promise.revision, arrived: {} });
}

export async function outcome(kind) {
  if (await act("outcome", "outcome", { outcome: kind })) become({ ended: { ...trip.ended, thanked: true } });
}

// Where the car is and with what charge; failures are told by the stream's state.
export async function report(extra = {}) {
  if (!active() || car.lat === null) return;
  const progress = { position: position(), soc_pct: car.soc_pct, ...extra };
  try {
    await call("progress", { recommendation_id: trip.promise.recommendation_id, known_revision: trip.promise.revision, progress });
  } catch (error) {
    if (!error.passing && error.status !== 404 && error.status !== 409) become({ failure: error });
  }
}

// Whether the offer of half a minute still stands, in seconds of this clock; null where none runs.
export function offerLeft_s() {
  if (trip.phase !== "offered" || trip.confirmed) return null;
  const until = seconds(trip.promise.choice.hold.until);
  const now = now_s();
  return until === null || now === null ? null : Math.max(0, (until - now) / picture.speed);
}

export function again() {
  set({ recommendation_id: "" });
  become(blank());
}
