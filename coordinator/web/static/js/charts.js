// Small charts as SVG of our own; each has its numbers in words for those who do not see it.

import { svg } from "./dom.js";
import { number, percent } from "./format.js";
import { stateOf } from "./shapes.js";

const WIDTH = 460;
const HEIGHT = 130;
const LEFT = 44;
const BOTTOM = 20;

function frame(label, height, ...children) {
  return svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label }, ...children);
}

// points: [{x, y}] with y null where nothing is known; the line has a gap there.
export function line(label, points, tell = (y) => number(y, 1), marks = []) {
  const known = points.filter(({ y }) => y !== null && y !== undefined);
  const most = Math.max(...known.map(({ y }) => y), 1e-9);
  const step = (WIDTH - LEFT - 10) / Math.max(1, points.length - 1);
  const at = (n, y) => [LEFT + n * step, HEIGHT - BOTTOM - (y / most) * (HEIGHT - BOTTOM - 12)];
  let path = "";
  let pen = false;
  const dots = [];
  points.forEach(({ y }, n) => {
    if (y === null || y === undefined) { pen = false; return; }
    const [px, py] = at(n, y);
    path += `${pen ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`;
    pen = true;
    dots.push(svg("circle", { class: "dot", cx: px, cy: py, r: 2.4 }, svg("title", {}, `${points[n].x}: ${tell(y)}`)));
  });
  const last = known.at(-1);
  const words = `${label}: ${last ? `${tell(last.y)} (${last.x})` : "–"}`;
  return frame(words, HEIGHT,
    svg("line", { class: "axis", x1: LEFT, x2: WIDTH - 10, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }),
    svg("text", { x: LEFT - 6, y: 16, "text-anchor": "end" }, known.length ? tell(most) : "–"),
    svg("text", { x: LEFT - 6, y: HEIGHT - BOTTOM, "text-anchor": "end" }, "0"),
    marks.map(({ n, text }) => svg("text", { x: LEFT + n * step, y: HEIGHT - 5, "text-anchor": n ? "middle" : "start" }, text)),
    svg("path", { class: "line", d: path || "M0 0" }), dots);
}

// rows: [{name, value, text}]
export function bars(label, rows) {
  const most = Math.max(...rows.map(({ value }) => value || 0), 1e-9);
  const height = rows.length * 24 + 6;
  return frame(`${label}: ${rows.map(({ name, text }) => `${name} ${text}`).join(", ")}`, height, rows.map(({ name, value, text }, n) => {
    const width = ((value || 0) / most) * (WIDTH - 200);
    return svg("g", { transform: `translate(0 ${n * 24 + 4})` },
      svg("text", { class: "name", x: 108, y: 13, "text-anchor": "end" }, name),
      svg("rect", { class: "rod", x: 116, y: 2, width: Math.max(width, 1), height: 15, rx: 2 }),
      svg("text", { x: 122 + width, y: 14 }, text));
  }));
}

// rows: [{name, shares}], one cell a part of the window.
export function heat(label, rows, marks) {
  const name = 130;
  const wide = rows.length ? (WIDTH + 240 - name) / rows[0].shares.length : 0;
  const height = rows.length * 18 + 22;
  const cells = rows.map((row, n) => svg("g", { transform: `translate(0 ${n * 18})` },
    svg("text", { class: "name", x: name - 6, y: 12, "text-anchor": "end" }, shorter(row.name)),
    row.shares.map((share, k) => svg("rect", {
      class: share > 0 ? "cell" : "none", x: name + k * wide, y: 1, width: wide - 1, height: 15,
      "fill-opacity": share > 0 ? 0.15 + 0.85 * share : null,
    }, svg("title", {}, `${row.name}, ${marks(k)}: ${percent(share, 0)}`)))));
  const every = Math.ceil((rows[0]?.shares.length || 1) / 6);
  const hours = (rows[0]?.shares || []).map((_, k) => k).filter((k) => k % every === 0);
  return svg("svg", { class: "chart", viewBox: `0 0 ${WIDTH + 240} ${height}`, role: "img", "aria-label": label }, cells,
    hours.map((k) => svg("text", { x: name + k * wide, y: height - 6 }, marks(k))));
}

function shorter(name) {
  return name.length > 18 ? `${name.slice(0, 17)}…` : name;
}

// A pile in the middle, its likes around it, nearer where more similar; others: [{label, similarity, status}]
export function neighbourhood(label, centre, status, others, threshold) {
  const size = 300;
  const middle = size / 2;
  const nodes = others.map((other, n) => {
    const angle = (2 * Math.PI * n) / others.length - Math.PI / 2;
    const nearness = (1 - other.similarity) / Math.max(1e-6, 1 - threshold);
    const far = 78 + 36 * Math.min(1, Math.max(0, nearness));
    return { ...other, x: middle + far * Math.cos(angle), y: middle + far * Math.sin(angle), angle };
  });
  return svg("svg", { class: "chart", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": label },
    nodes.map(({ x, y, similarity }) => svg("line", { class: "edge", x1: middle, y1: middle, x2: x, y2: y, "stroke-width": 0.6 + 3 * (similarity - threshold) / Math.max(1e-6, 1 - threshold), "stroke-opacity": 0.6 })),
    nodes.map((node) => svg("g", {},
      svg("circle", { class: `node is-${stateOf(node.status)}`, fill: "currentColor", cx: node.x, cy: node.y, r: 4 + 14 * Math.sqrt(Math.min(0.5, node.failure_rate)) },
        svg("title", {}, `${node.label}: ${number(node.similarity, 3)}, ${percent(node.failure_rate)}`)),
      svg("text", { class: "name", x: node.x + 12 * Math.cos(node.angle), y: node.y + 16 * Math.sin(node.angle) + 4, "text-anchor": Math.cos(node.angle) > 0.3 ? "start" : Math.cos(node.angle) < -0.3 ? "end" : "middle" }, node.label))),
    svg("circle", { class: `node is-${stateOf(status)}`, fill: "currentColor", cx: middle, cy: middle, r: 11 }),
    svg("text", { class: "name", x: middle, y: middle + 26, "text-anchor": "middle" }, centre));
}

// A charging area: its stations, the held one filled, and the car; places are [lat, lon].
export function area(label, { car, held, stations }) {
  const places = [...stations.map(({ lat, lon }) => [lat, lon]), ...(car ? [car] : [])];
  if (!places.length) return null;
  const lat0 = places.reduce((sum, [lat]) => sum + lat, 0) / places.length;
  const stretch = Math.cos((lat0 * Math.PI) / 180);
  const flat = ([lat, lon]) => [lon * stretch, -lat];
  const xs = places.map((p) => flat(p)[0]);
  const ys = places.map((p) => flat(p)[1]);
  const [x0, y0] = [Math.min(...xs), Math.min(...ys)];
  const scale = Math.min(360 / Math.max(1e-6, Math.max(...xs) - x0), 200 / Math.max(1e-6, Math.max(...ys) - y0));
  // What lies beside nothing stands in the middle.
  const left = (360 - (Math.max(...xs) - x0) * scale) / 2;
  const top = (200 - (Math.max(...ys) - y0) * scale) / 2;
  const at = (place) => { const [x, y] = flat(place); return [50 + left + (x - x0) * scale, 24 + top + (y - y0) * scale]; };
  const target = stations.find(({ id }) => id === held);
  return frame(label, 264,
    car && target && svg("line", { class: "edge", x1: at(car)[0], y1: at(car)[1], x2: at([target.lat, target.lon])[0], y2: at([target.lat, target.lon])[1], "stroke-width": 2 }),
    stations.map(({ id, name, lat, lon }) => {
      const [x, y] = at([lat, lon]);
      return svg("g", {}, svg("circle", { class: id === held ? "dot" : "none", cx: x, cy: y, r: id === held ? 8 : 6, stroke: "currentColor" }),
        svg("text", { class: "name", x, y: y + 21, "text-anchor": "middle" }, name));
    }),
    car && svg("polygon", { class: "is-warn", fill: "currentColor", points: [[0, -9], [7, 7], [0, 3], [-7, 7]].map(([dx, dy]) => `${at(car)[0] + dx},${at(car)[1] + dy}`).join(" ") }));
}
