// Makes elements; text is always text, so nothing that a pile or a car says becomes markup.

const SVG = "http://www.w3.org/2000/svg";

export function h(name, given, ...children) {
  return filled(document.createElement(name), given, children);
}

export function svg(name, given, ...children) {
  return filled(document.createElementNS(SVG, name), given, children);
}

function filled(element, given, children) {
  for (const [name, value] of Object.entries(given || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(element, child);
    else if (child !== null && child !== undefined && child !== false) element.append(child);
  }
}

// Fills an element anew; the focus stays on the element with the same data-key.
export function fill(element, ...children) {
  const held = element.contains(document.activeElement)
    ? document.activeElement.closest("[data-key]")?.dataset.key : undefined;
  element.replaceChildren();
  add(element, children);
  if (held) element.querySelector(`[data-key="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
}

export function card(title, ...children) {
  return h("section", { class: "card" }, title && h("h2", {}, title), ...children);
}

export function facts(pairs) {
  const told = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return h("dl", { class: "facts" }, told.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

export function figures(pairs) {
  return h("dl", { class: "figures" }, pairs.map(([name, value]) =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

// columns: {name, cell(row), number | text}; a column of text is never squeezed to a word a line,
// a table may scroll sideways and is then reachable by key.
export function table(caption, columns, rows, key) {
  const head = columns.map((column) => h(column.name ? "th" : "td", { scope: column.name && "col", class: kind(column) }, column.name));
  const body = rows.map((row) => h("tr", { "data-row": key && key(row) },
    columns.map((column) => h("td", { class: kind(column) }, column.cell(row)))));
  return h("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" },
    h("table", {}, h("caption", { class: "hidden" }, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}

function kind({ number, text }) {
  return number ? "number" : text && "text";
}
