// The frame: which page is shown, who is signed in, how fresh the picture is.

import { h, fill } from "./dom.js";
import * as i18n from "./i18n.js";
import { t } from "./i18n.js";
import { clock } from "./format.js";
import { picture, start, subscribe } from "./stream.js";
import { keepToken, post, token } from "./api.js";
import { broken, empty } from "./states.js";
import { live } from "./live.js";
import { piles } from "./piles.js";
import { recommendations } from "./recommendations.js";
import { models } from "./models.js";
import { evaluation } from "./evaluation.js";
import { quality } from "./quality.js";

// In the order of the navigation; the first is where everybody begins.
const PAGES = { live, piles, recommendations, models, evaluation, quality };

const main = document.getElementById("main");
let leave = () => {};
let name = "";

function route() {
  const [page, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  return { page: page || "live", argument: rest.join("/") };
}

function show() {
  const { page, argument } = route();
  leave();
  leave = () => {};
  draw(page);
  fill(main);
  const render = PAGES[page];
  if (!render) {
    fill(main, empty("no_page"));
    return;
  }
  document.title = `${t(`page.${page}`)} · Pilewise`;
  try {
    leave = render(main, argument) || (() => {});
  } catch (error) {
    fill(main, broken(error));
    console.error(error);
  }
}

function draw(page) {
  document.getElementById("skip").textContent = t("skip");
  const nav = document.getElementById("nav");
  nav.setAttribute("aria-label", t("nav"));
  fill(nav, h("ul", {}, Object.keys(PAGES).map((id) =>
    h("li", {}, h("a", { href: `#/${id}`, "data-key": id, "aria-current": page === id && "page" }, t(`page.${id}`))))));
  inSight(nav, nav.querySelector("[aria-current]"));
  fill(document.getElementById("tools"), languageChoice(), signButton());
}

// On a phone the list of pages is wider than the screen: the one that is shown stands in its middle.
function inSight(list, item) {
  if (!item) return;
  const [of, at] = [list, item].map((one) => one.getBoundingClientRect());
  list.scrollLeft += at.left + at.width / 2 - of.left - of.width / 2;
}

function languageChoice() {
  const options = Object.entries(i18n.languages).map(([code, text]) =>
    h("option", { value: code, lang: code, selected: code === i18n.language }, text));
  const choose = async (event) => { await i18n.choose(event.target.value); head(); show(); };
  return h("label", {}, h("span", { class: "hidden" }, t("language")),
    h("select", { "data-key": "language", onchange: choose }, options));
}

function signButton() {
  return h("button", { type: "button", "data-key": "sign", onclick: openDialog }, name ? t("signed_in", { name }) : t("sign_in"));
}

function openDialog() {
  const dialog = document.getElementById("token");
  const input = h("input", { type: "password", autocomplete: "off", id: "token-input", value: token() });
  const note = h("p", { role: "alert", class: "is-bad" });
  const submit = async (event) => {
    event.preventDefault();
    const wrong = await signIn(input.value.trim());
    if (wrong) { note.textContent = `${wrong.message}. ${wrong.hint}`; return; }
    dialog.close();
    show();
  };
  dialog.setAttribute("aria-labelledby", "token-title");
  fill(dialog, h("form", { onsubmit: submit }, h("h2", { id: "token-title" }, t("token.title")), h("p", { class: "quiet" }, t("token.text")),
    h("p", {}, h("label", { for: "token-input" }, t("token.label")), input), note,
    h("div", { class: "row" }, h("button", { type: "submit", class: "main" }, t("token.use")),
      h("button", { type: "button", onclick: () => dialog.close() }, t("cancel")))));
  dialog.showModal();
}

// The failure, or nothing if the token is good (or was given up).
async function signIn(value) {
  keepToken(value);
  name = "";
  if (!value) return null;
  try {
    name = (await post("/api/session")).name;
    return null;
  } catch (error) {
    keepToken("");
    return error;
  }
}

function head() {
  const asof = document.getElementById("asof");
  asof.dataset.state = picture.state;
  const at = clock(picture.as_of_s);
  const text = picture.loaded ? t(`asof.${picture.state}`, { at }) : t(`asof.${picture.state === "lost" ? "lost_first" : "connecting"}`);
  if (asof.textContent !== text) asof.textContent = text;
  if (picture.district) document.getElementById("district").textContent = picture.district;
}

// A token may come with the address once; it is taken out of it at once.
async function tokenOfAddress() {
  const given = /^#token=(\S+)$/.exec(location.hash);
  if (given) {
    history.replaceState(null, "", `${location.pathname}${location.search}#/live`);
    await signIn(decodeURIComponent(given[1]));
  } else if (token()) {
    await signIn(token());
  }
}

function tabName() {
  return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
}

await i18n.start();
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
await tokenOfAddress();
subscribe((names) => { if (names.has("head")) head(); });
head();
start(tabName());
addEventListener("hashchange", () => { show(); main.focus({ preventScroll: true }); scrollTo(0, 0); });
show();
