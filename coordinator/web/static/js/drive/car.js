// What the driver said of car and wishes, and which promise this tab follows; kept by the browser.
// What is the tab's own (place, charge, promise, secret) ends with the tab; the car's data stay.

const CAR = "pilewise.drive.car"; // in localStorage
const TAB = "pilewise.drive.tab"; // in sessionStorage

const LASTING = {
  battery_kwh: 60, connector: "", target_soc_pct: 80, order: "", below_pct: 20, by_itself: true, take_it: true,
};
const PASSING = {
  secret: "", lat: null, lon: null, accuracy_m: null, measured: false, soc_pct: 50,
  destination: null, be_there_by: "", recommendation_id: "", pending: null,
};

export const car = { ...LASTING, ...PASSING };
const hearers = new Set();

export function random(bytes = 16) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function load() {
  Object.assign(car, kept(localStorage, CAR, LASTING), kept(sessionStorage, TAB, PASSING));
  car.secret ||= random();
  keep();
}

// set({soc_pct: 40}) keeps it and tells who hears, with the names of what is other now.
export function set(values) {
  const names = Object.keys(values).filter((name) => car[name] !== values[name]);
  if (!names.length) return;
  Object.assign(car, values);
  keep();
  for (const hear of [...hearers]) hear(new Set(names));
}

export function subscribe(hear) {
  hearers.add(hear);
}

function kept(store, name, wanted) {
  try {
    const found = JSON.parse(store.getItem(name)) || {};
    return Object.fromEntries(Object.keys(wanted).filter((key) => key in found).map((key) => [key, found[key]]));
  } catch { return {}; }
}

function keep() {
  const part = (wanted) => JSON.stringify(Object.fromEntries(Object.keys(wanted).map((key) => [key, car[key]])));
  try {
    localStorage.setItem(CAR, part(LASTING));
    sessionStorage.setItem(TAB, part(PASSING));
  } catch { /* a browser may keep nothing */ }
}
