// What the driver says: where, what charge, what car, what wishes; faults stand beside their field.

import { fill, h } from "../dom.js";
import { t } from "../i18n.js";
import { number } from "../format.js";
import { car, set, subscribe as hearCar } from "./car.js";
import { active, ask, become, subscribe as hearTrip, trip } from "./trip.js";
import { follow, following, locate, play, played } from "./travel.js";

const CONNECTORS = {
  IEC_62196_T2_COMBO: "CCS 2", IEC_62196_T1_COMBO: "CCS 1", IEC_62196_T2: "Type 2", IEC_62196_T1: "Type 1",
  CHADEMO: "CHAdeMO", GBT_DC: "GB/T DC", GBT_AC: "GB/T AC", SAE_J3400: "NACS (J3400)", CHAOJI: "ChaoJi",
};
const ORDERS = ["COST", "TIME", "TOTAL_TIME", "QUEUE", "PRICE", "PREFERENCE", "TRAFFIC"];
const FACTORS = [1, 10, 60];
// Where a field of the contract is asked for on this page.
const FIELD_OF = {
  "position.latitude_deg": "lat", "position.longitude_deg": "lon", position: "lat", soc_pct: "soc_pct",
  "vehicle.battery_kwh": "battery_kwh", "vehicle.connectors": "connector", target_soc_pct: "target_soc_pct",
  "destination.latitude_deg": "destination_lat", "destination.longitude_deg": "destination_lon", arrive_by: "be_there_by",
};

// map has centre() and show(); gives what draws the form anew, e.g. in another language.
export function form(root, map) {
  const inputs = {};
  const errors = {};
  const note = h("p", { id: "note", role: "status", class: "is-warn" });
  const submit = h("button", { type: "submit", class: "main wide", id: "ask" });
  let playing = null;

  function field(name, label, element) {
    inputs[name] = element;
    errors[name] = h("small", { class: "is-bad", id: `error-${name}` });
    element.id = `field-${name}`;
    element.setAttribute("aria-describedby", `error-${name}`);
    return h("div", { class: "field" }, h("label", { for: element.id }, label), element, errors[name]);
  }

  // A number that is kept when it is one within its bounds; else the field says so.
  function numeric(name, least, most, step, take, needed = true) {
    const change = ({ target }) => {
      const value = target.value.trim() === "" ? null : Number(target.value);
      const good = value === null ? !needed : value >= least && value <= most;
      wrong(name, good ? "" : t("drive.field.number", { least: number(least), most: number(most) }));
      if (good) take(value);
    };
    return h("input", { type: "number", inputmode: "decimal", min: least, max: most, step, onchange: change });
  }

  function wrong(name, text) {
    errors[name].textContent = text;
    if (text) inputs[name].setAttribute("aria-invalid", "true");
    else inputs[name].removeAttribute("aria-invalid");
  }

  function choice(options, take) {
    return h("select", { onchange: ({ target }) => take(target.value) }, options.map(([value, text]) => h("option", { value }, text)));
  }

  function check(name, label) {
    inputs[name] = h("input", { type: "checkbox", id: `field-${name}`, onchange: ({ target }) => set({ [name]: target.checked }) });
    return h("label", { class: "check" }, inputs[name], label);
  }

  const place = (lat, lon) => set({ lat, lon, accuracy_m: null, measured: false });
  // A place is taken when both of its numbers are there.
  const typed = (lat, lon, take) => () => {
    const [north, east] = [inputs[lat], inputs[lon]];
    if (north.value.trim() && east.value.trim() && north.validity.valid && east.validity.valid) take(Number(north.value), Number(east.value));
  };
  const here = typed("lat", "lon", place);
  const goal = typed("destination_lat", "destination_lon", (lat, lon) => set({ destination: [lat, lon] }));
  const unlocated = (error) => become({ note: error.code === 1 ? "drive.note.denied" : "drive.note.unlocated" });

  function where() {
    const onward = h("input", { type: "checkbox", checked: following(), onchange: ({ target }) => follow(target.checked, unlocated) });
    return h("fieldset", {}, h("legend", {}, t("drive.where")),
      h("div", { class: "fields" },
        field("lat", t("drive.lat"), numeric("lat", -90, 90, "any", here)),
        field("lon", t("drive.lon"), numeric("lon", -180, 180, "any", here))),
      h("div", { class: "row" },
        h("button", { type: "button", id: "locate", onclick: () => locate(unlocated) }, t("drive.locate")),
        h("button", { type: "button", id: "centre", onclick: () => place(...map.centre()) }, t("drive.centre"))),
      h("label", { class: "check" }, onward, t("drive.follow")));
  }

  function battery() {
    const range = h("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": t("drive.soc"), onchange: ({ target }) => set({ soc_pct: Number(target.value) }) });
    inputs.range = range;
    const plugs = [["", t("drive.connector.any")], ...Object.entries(CONNECTORS).map(([name, text]) => [`CONNECTOR_STANDARD_${name}`, text])];
    return h("fieldset", {}, h("legend", {}, t("drive.car")),
      h("div", { class: "fields" },
        h("div", { class: "both" }, field("soc_pct", t("drive.soc"), numeric("soc_pct", 0, 100, "any", (soc_pct) => set({ soc_pct }))), range),
        field("battery_kwh", t("drive.battery"), numeric("battery_kwh", 1, 1000, "any", (battery_kwh) => set({ battery_kwh }))),
        field("connector", t("drive.connector"), choice(plugs, (connector) => set({ connector })))));
  }

  function wishes() {
    const orders = [["", t("drive.order.usual")], ...ORDERS.map((name) => [`SELECT_BY_${name}`, t(`drive.order.${name}`)])];
    const time = h("input", { type: "time", onchange: ({ target }) => set({ be_there_by: target.value }) });
    return h("fieldset", {}, h("legend", {}, t("drive.wishes")),
      h("div", { class: "fields" },
        field("target_soc_pct", t("drive.target"), numeric("target_soc_pct", 1, 100, "any", (target_soc_pct) => set({ target_soc_pct }))),
        field("order", t("drive.order"), choice(orders, (order) => set({ order }))),
        field("destination_lat", t("drive.destination.lat"), numeric("destination_lat", -90, 90, "any", goal, false)),
        field("destination_lon", t("drive.destination.lon"), numeric("destination_lon", -180, 180, "any", goal, false)),
        field("be_there_by", t("drive.by"), time)),
      h("p", { class: "quiet small" }, t("drive.by.text")),
      h("button", { type: "button", id: "no-goal", onclick: () => set({ destination: null, be_there_by: "" }) }, t("drive.destination.none")));
  }

  function itself() {
    return h("fieldset", {}, h("legend", {}, t("drive.itself")),
      check("by_itself", t("drive.itself.on")), check("take_it", t("drive.itself.take")),
      h("div", { class: "fields" }, field("below_pct", t("drive.itself.below"), numeric("below_pct", 1, 99, "any", (below_pct) => set({ below_pct })))));
  }

  function playedDrive() {
    const factor = choice(FACTORS.map((value) => [value, t("drive.play.factor", { n: value })]), (value) => { played.factor = Number(value); });
    factor.value = String(played.factor);
    factor.setAttribute("aria-label", t("drive.play.speed"));
    factor.id = "factor";
    playing = h("button", { type: "button", id: "play", onclick: () => { play(!played.running); update(); } });
    const push = `curl -X POST ${location.origin}/api/drive/push -H 'content-type: application/json' -H 'x-pilewise-driver: ${car.secret}' -d '{"soc_pct": 19}'`;
    return h("details", { id: "more" }, h("summary", {}, t("drive.more")),
      h("h3", {}, t("drive.play")), h("p", { class: "quiet small" }, t("drive.play.text")), h("div", { class: "row" }, playing, factor),
      h("h3", {}, t("drive.push")), h("p", { class: "quiet small" }, t("drive.push.text")), h("pre", { tabindex: "0", "aria-label": t("drive.push") }, push));
  }

  function send(event) {
    event.preventDefault();
    if (car.lat === null) {
      wrong("lat", t("drive.note.no_place"));
      inputs.lat.focus();
      return;
    }
    if (inputs.soc_pct.getAttribute("aria-invalid") || inputs.battery_kwh.getAttribute("aria-invalid")) return;
    ask().catch(() => { /* shown by the trip */ });
  }

  function shown(name, value) {
    if (document.activeElement !== inputs[name]) inputs[name].value = value ?? "";
  }

  function update() {
    const places = { lat: car.lat?.toFixed(5), lon: car.lon?.toFixed(5), destination_lat: car.destination?.[0].toFixed(5), destination_lon: car.destination?.[1].toFixed(5) };
    // A number that waits for its fellow stays.
    for (const [name, value] of Object.entries(places)) if (value || !name.startsWith("l")) shown(name, value);
    for (const name of ["soc_pct", "battery_kwh", "connector", "target_soc_pct", "order", "be_there_by", "below_pct"]) shown(name, car[name]);
    shown("range", Math.round(car.soc_pct));
    if (car.lat !== null && errors.lat.textContent) wrong("lat", "");
    for (const name of ["by_itself", "take_it"]) inputs[name].checked = car[name];
    const asking = trip.phase === "asking";
    submit.disabled = asking;
    submit.textContent = t(asking ? "drive.asking" : active() ? "drive.ask.again" : "drive.ask");
    note.textContent = trip.note ? t(trip.note) : "";
    playing.textContent = t(played.running ? "drive.play.stop" : "drive.play.start");
    playing.setAttribute("aria-pressed", String(played.running));
    playing.disabled = car.lat === null;
    const faults = Object.entries(trip.failure?.fields || {}).map(([path, text]) => [FIELD_OF[path], text]).filter(([name]) => name);
    for (const [name, text] of faults) wrong(name, text);
  }

  function draw() {
    fill(root, h("form", { onsubmit: send, novalidate: true }, where(), battery(), wishes(), itself(), note, submit, playedDrive()));
    update();
  }

  draw();
  hearCar((names) => { if (names.has("lat")) trip.note = ""; update(); });
  hearTrip(update);
  return draw;
}
