// The marks of a station's state: a colour and a shape each, the same on the map and in words.

import { h, svg } from "./dom.js";
import { t, word } from "./i18n.js";

export const STATES = ["free", "partly", "full", "blocked", "broken", "unknown"];

// Points of each shape around (0, 0) with radius 1; none means a circle.
const CROSS = [[-0.95, -0.5], [-0.5, -0.95], [0, -0.45], [0.5, -0.95], [0.95, -0.5], [0.45, 0], [0.95, 0.5], [0.5, 0.95], [0, 0.45], [-0.5, 0.95], [-0.95, 0.5], [-0.45, 0]];
const POINTS = {
  partly: [[0, -1.15], [1.15, 0], [0, 1.15], [-1.15, 0]],
  full: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
  blocked: [[0, -1.1], [1.1, 0.85], [-1.1, 0.85]],
  broken: CROSS,
  unknown: CROSS,
};
export const CAR = [[0, -1.2], [0.8, 0.9], [0, 0.45], [-0.8, 0.9]];

export function points(state) {
  return POINTS[state] || null;
}

export function icon(state) {
  const shape = points(state);
  const given = state === "unknown"
    ? { fill: "none", stroke: "currentColor", "stroke-width": 0.28 } : { fill: "currentColor" };
  const mark = shape
    ? svg("polygon", { points: shape.map((p) => p.join(",")).join(" "), ...given })
    : svg("circle", { r: 0.95, ...given });
  return svg("svg", { viewBox: "-1.3 -1.3 2.6 2.6", "aria-hidden": "true" }, mark);
}

export function chip(state) {
  return h("span", { class: `chip is-${state}` }, icon(state), t(`state.${state}`));
}

const STATE_OF_STATUS = {
  AVAILABLE: "free", CHARGING: "full", RESERVED: "full", BLOCKED: "blocked", UNKNOWN: "unknown",
};

export function stateOf(status) {
  return STATE_OF_STATUS[status] || "broken";
}

export function status(name) {
  const state = stateOf(name);
  return h("span", { class: `chip is-${state}` }, icon(state), word("status", name));
}

export function level(name) {
  return h("span", { class: `tag is-${name}` }, t(`level.${name}`));
}
