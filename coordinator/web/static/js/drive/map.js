/* global L */
// The driver's map: stations, the own car and its promise, and where the driver wants to go.

import { h } from "../dom.js";
import { t } from "../i18n.js";
import { colour, DistrictMap, Mark } from "../map.js";
import { car } from "./car.js";
import { picture } from "./link.js";
import { active, trip } from "./trip.js";

const GOAL = [[0, 1.2], [-0.75, -0.5], [-0.4, -1.1], [0.4, -1.1], [0.75, -0.5]];
const LEVELS = { WARNING_LEVEL_HIGH: "high", WARNING_LEVEL_MEDIUM: "medium", WARNING_LEVEL_LOW: "low" };

export class DriverMap extends DistrictMap {
  // pick(lat, lon) is told where the driver clicks; choose({station}) which station.
  constructor(element, pick, choose) {
    super(element, choose);
    this.goal = L.layerGroup().addTo(this.map);
    this.map.on("click", ({ latlng }) => pick(latlng.lat, latlng.wrap().lng));
  }

  centre() {
    const { lat, lng } = this.map.getCenter().wrap();
    return [lat, lng];
  }

  show(lat, lon) {
    this.map.setView([lat, lon], Math.max(this.map.getZoom(), 13), { animate: false });
  }

  redraw() {
    const cars = new Map(car.lat === null ? [] : [["own", own()]]);
    this.draw(picture.stations, cars);
    // Once: a place far from all stations is brought into view.
    if (cars.size && picture.stations.size && !this.placed) {
      this.placed = true;
      if (!this.map.getBounds().pad(-0.1).contains([car.lat, car.lon])) this.fit(picture.stations, cars);
    }
    this.goal.clearLayers();
    if (!car.destination) return;
    const mark = new Mark(car.destination, { radius: 9, shape: GOAL, color: colour("card"), weight: 1, fillColor: colour("ink"), fillOpacity: 1, interactive: false });
    mark.bindTooltip(h("span", {}, t("drive.destination")), { permanent: true, direction: "bottom", offset: [0, 8] });
    this.goal.addLayer(mark);
  }

  // What is drawn, in words for those who do not see it and for tests.
  tell(stations, cars) {
    super.tell(stations, cars);
    this.element.setAttribute("aria-label", t(car.lat === null ? "drive.map.nowhere" : "drive.map.label", { stations: stations.size }));
    this.element.dataset.car = car.lat === null ? "" : `${car.lat.toFixed(4)},${car.lon.toFixed(4)}`;
  }
}

// The own car as the map draws cars.
function own() {
  const { promise } = trip;
  const shown = { id: "own", car: t("drive.you"), lat: car.lat, lon: car.lon, soc_pct: car.soc_pct, level: "low", phase: "without_place", area: [] };
  if (!promise || !active()) return shown;
  return {
    ...shown, level: LEVELS[promise.level] || "low", phase: trip.phase, station: promise.choice.evse.station_id,
    area: promise.area.station_ids,
  };
}
