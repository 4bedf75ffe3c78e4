/* global L */
// The map: stations, cars, areas and promises on Leaflet's canvas. No tiles: nothing leaves the host.
// Leaflet takes strings as markup, so names are given to it as elements.

import { h } from "./dom.js";
import { CAR, points, STATES } from "./shapes.js";
import { number } from "./format.js";
import { t } from "./i18n.js";

const NAMED = 40; // stations whose names stand beside them
const AREAS = 60; // cars whose areas are drawn when none is chosen

export const Mark = L.CircleMarker.extend({
  _updatePath() {
    const renderer = this._renderer;
    if (!this.options.shape) return renderer._updateCircle(this);
    if (!renderer._drawing || this._empty()) return undefined;
    const { x, y } = this._point;
    const context = renderer._ctx;
    context.beginPath();
    this.options.shape.forEach(([dx, dy], n) => {
      const at = [x + dx * this._radius, y + dy * this._radius];
      n ? context.lineTo(...at) : context.moveTo(...at);
    });
    context.closePath();
    return renderer._fillStroke(context, this);
  },
});

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export class DistrictMap {
  constructor(element, choose) {
    this.element = element;
    this.choose = choose;
    this.chosen = "";
    this.fitted = false;
    this.map = L.map(element, { preferCanvas: true, attributionControl: false, zoomSnap: 0.25, fadeAnimation: false, zoomAnimation: false });
    this.map.setView([0, 0], 12);
    L.control.scale({ imperial: false }).addTo(this.map);
    this.roads = L.layerGroup().addTo(this.map);
    this.areas = L.layerGroup().addTo(this.map);
    this.lines = L.layerGroup().addTo(this.map);
    this.stations = L.layerGroup().addTo(this.map);
    this.cars = L.layerGroup().addTo(this.map);
    this.resized = new ResizeObserver(() => this.map.invalidateSize({ pan: false }));
    this.resized.observe(element);
  }

  remove() {
    this.resized.disconnect();
    this.map.remove();
  }

  draw(stations, cars) {
    if (!this.fitted && stations.size) this.fit(stations, cars);
    for (const group of [this.areas, this.lines, this.stations, this.cars]) group.clearLayers();
    for (const car of cars.values()) this.drawCar(car, stations, cars.size);
    for (const station of stations.values()) this.drawStation(station, stations.size);
    this.tell(stations, cars);
  }

  fit(stations, cars) {
    const places = [...stations.values(), ...cars.values()].map(({ lat, lon }) => [lat, lon]);
    // Room for the names below the marks at the edges.
    this.map.fitBounds(L.latLngBounds(places), { maxZoom: 15, animate: false, padding: [62, 40] });
    this.fitted = true;
  }

  show(lat, lon) {
    this.map.setView([lat, lon], Math.max(this.map.getZoom(), 14), { animate: false });
  }

  // Roads under everything else: the busier the wider; dashed where only the usual is known.
  drawRoads(roads) {
    this.roads.clearLayers();
    for (const road of roads) {
      const { grade, cars } = road;
      const tone = grade === null ? "quiet" : grade >= 3.5 ? "bad" : grade >= 2.5 ? "warn" : "good";
      const line = L.polyline([road.from, road.to], {
        color: colour(tone), weight: Math.min(9, 1.5 + (grade || 1) * 0.5 + 1.5 * Math.sqrt(cars || 0)),
        opacity: cars ? 0.75 : 0.4, dashArray: road.source === "measured" ? null : "2 6",
      });
      line.bindTooltip(h("span", {}, t("road.says", {
        grade: grade === null ? "–" : number(grade, 1), source: t(`road.${road.source || "unknown"}`), cars: number(cars),
      })), { sticky: true });
      this.roads.addLayer(line);
    }
    // The layer was filled last but belongs below the others.
    this.roads.eachLayer((line) => line.bringToBack());
    this.element.dataset.roads = String(roads.length);
    this.element.dataset.busiest = String(roads.length ? roads[0].cars ?? "" : "");
  }

  drawStation(station, count) {
    const total = station.free + station.busy + station.blocked + station.broken + station.unknown;
    const tone = colour(station.state);
    const hollow = station.state === "unknown";
    const mark = new Mark([station.lat, station.lon], {
      radius: 8 + Math.min(6, Math.sqrt(total)), shape: points(station.state), color: hollow ? tone : colour("card"),
      weight: hollow ? 2.5 : 1.5, fillColor: hollow ? colour("card") : tone, fillOpacity: 1, bubblingMouseEvents: false,
    });
    const name = `${station.name} · ${number(station.free)}/${number(total)}`;
    mark.bindTooltip(h("span", {}, name), count <= NAMED
      ? { permanent: true, direction: "bottom", offset: [0, 12] } : { direction: "top" });
    mark.on("click", () => this.choose({ station: station.id }));
    this.stations.addLayer(mark);
  }

  drawCar(car, stations, count) {
    const tone = colour(car.level);
    const target = stations.get(car.station);
    const chosen = this.chosen === car.id;
    if (target && car.phase !== "without_place") {
      this.lines.addLayer(L.polyline([[car.lat, car.lon], [target.lat, target.lon]], {
        color: tone, weight: chosen ? 4 : 2, opacity: 0.85, interactive: false,
        dashArray: car.phase === "offered" ? "3 7" : null,
      }));
      if (chosen || (!this.chosen && count <= AREAS)) this.drawArea(car, stations, tone, chosen);
    }
    const mark = new Mark([car.lat, car.lon], {
      radius: chosen ? 10 : 7, shape: CAR, color: colour("card"), weight: 1, fillColor: tone, fillOpacity: 1,
      bubblingMouseEvents: false,
    });
    mark.bindTooltip(h("span", {}, `${car.car} · ${t(`level.${car.level}`)} · ${number(car.soc_pct)} %`), { direction: "top" });
    mark.on("click", () => this.choose({ car: car.id }));
    this.cars.addLayer(mark);
  }

  // The stations of a car's charging area, spanned; one alone is ringed.
  drawArea(car, stations, tone, chosen) {
    const places = car.area.map((id) => stations.get(id)).filter(Boolean).map(({ lat, lon }) => [lat, lon]);
    const style = { color: tone, weight: 1, opacity: chosen ? 0.9 : 0.35, fillColor: tone, fillOpacity: chosen ? 0.16 : 0.05, interactive: false };
    if (places.length > 2) this.areas.addLayer(L.polygon(hull(places), style));
    else if (places.length === 2) this.areas.addLayer(L.polyline(places, { ...style, weight: 16, opacity: chosen ? 0.25 : 0.1 }));
    else if (places.length === 1) this.areas.addLayer(L.circle(places[0], { ...style, radius: 220 }));
  }

  // What is drawn, in words for those who do not see it and for tests.
  tell(stations, cars) {
    const of = Object.fromEntries(STATES.map((state) => [state, 0]));
    for (const station of stations.values()) of[station.state] += 1;
    const states = STATES.filter((state) => of[state]).map((state) => `${of[state]} ${t(`state.${state}`)}`);
    this.element.setAttribute("aria-label", t("map.label", { stations: stations.size, states: states.join(", "), cars: cars.size }));
    this.element.dataset.stations = [...stations.values()].map(({ id, state }) => `${id}=${state}`).join(" ");
    this.element.dataset.lines = [...cars.values()].filter((car) => car.phase !== "without_place")
      .map((car) => `${car.car}>${car.station}`).join(" ");
  }
}

// The convex hull of places, by Andrew's monotone chain.
export function hull(places) {
  const sorted = [...places].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const half = (list) => {
    const kept = [];
    for (const p of list) {
      while (kept.length > 1 && turn(kept.at(-2), kept.at(-1), p) <= 0) kept.pop();
      kept.push(p);
    }
    kept.pop();
    return kept;
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

function turn(o, a, b) {
  return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
}
