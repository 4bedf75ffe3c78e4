// What a page shows while it has nothing: loading, nothing there, or a failure with its way out.

import { h, fill } from "./dom.js";
import { t } from "./i18n.js";

export function loading() {
  return h("p", { class: "state", role: "status" }, t("loading"));
}

export function empty(key, values) {
  return h("p", { class: "state" }, h("strong", {}, t(`${key}.title`, values)), t(`${key}.text`, values));
}

export function broken(error, again) {
  return h("div", { class: "state error", role: "alert" },
    h("strong", {}, `${t("failed")}${error.code ? ` [${error.code}]` : ""}`),
    h("p", {}, error.message),
    error.hint && h("p", {}, `${t("hint")}: ${error.hint}`),
    again && h("button", { type: "button", onclick: again }, t("again")));
}

// Shows what `load` gives, and again every `period_s`; a failure leaves what was shown, with a note.
// Gives {stop, refresh}.
export function kept(root, load, show, period_s = 0) {
  let stopped = false;
  let timer = 0;
  let shown = false;
  let control = new AbortController();
  const note = h("div", {});
  const body = h("div", {}, loading());
  fill(root, note, body);

  async function refresh() {
    clearTimeout(timer);
    control.abort();
    control = new AbortController();
    const { signal } = control;
    try {
      const told = await load(signal);
      if (stopped || signal.aborted) return;
      fill(note);
      show(body, told);
      shown = true;
    } catch (error) {
      if (stopped || error.name === "AbortError") return;
      if (!shown) fill(body);
      fill(note, broken(error, refresh));
    }
    if (period_s && !stopped) timer = setTimeout(refresh, period_s * 1000);
  }

  refresh();
  return { refresh, stop() { stopped = true; clearTimeout(timer); control.abort(); } };
}
