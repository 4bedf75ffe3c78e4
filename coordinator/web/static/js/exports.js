// Files for others: what there is to take along; those that tell of drivers need a token.

import { fill, h } from "./dom.js";
import { t } from "./i18n.js";
import { Failure, get, token } from "./api.js";
import { broken, kept } from "./states.js";

export function exports(root) {
  const note = h("div", {});
  const list = h("div", {});
  fill(root, h("h2", {}, t("exports")), h("p", { class: "quiet small" }, t("exports.text")), list, note);
  return kept(list, (signal) => get("/v1/export", signal), (part, told) => {
    fill(part, h("ul", { class: "plain" }, told.exports.map((one) => h("li", {}, entry(one, note)))));
  }).stop;
}

function entry(one, note) {
  const name = one.path.replace("/v1/export/", "");
  if (!one.token) return [h("a", { href: one.path }, name), h("span", { class: "quiet small" }, ` ${one.kind}`)];
  const take = () => taken(one.path, name).then(() => fill(note), (error) => fill(note, broken(error)));
  return [h("button", { type: "button", class: "plain", "data-key": name, disabled: !token(), onclick: take }, name),
    h("span", { class: "quiet small" }, ` ${one.kind} · ${t("exports.token")}`)];
}

// A link cannot show a token, so the file is fetched and then kept as if it had been linked.
async function taken(path, name) {
  const answer = await fetch(path, { headers: { authorization: `Bearer ${token()}` } });
  if (!answer.ok) throw new Failure(answer.status, (await answer.json().catch(() => ({}))).error || {});
  const url = URL.createObjectURL(await answer.blob());
  const link = h("a", { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}
