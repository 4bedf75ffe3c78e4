// Sentences of the page, by language; a missing one shows its key, so that it is seen.

export const languages = { en: "English", zh: "中文" };
const KEPT = "pilewise.language";
let words = {};
let fallback = {};
export let language = "en";

export async function start(name = chosen()) {
  const load = async (code) => (await fetch(`/static/i18n/${code}.json`)).json();
  language = name in languages ? name : "en";
  [fallback, words] = await Promise.all([load("en"), load(language)]);
  document.documentElement.lang = language === "zh" ? "zh-CN" : language;
}

export async function choose(name) {
  try { localStorage.setItem(KEPT, name); } catch { /* a browser may keep nothing */ }
  await start(name);
}

function chosen() {
  const asked = new URLSearchParams(location.search).get("lang");
  let kept = null;
  try { kept = localStorage.getItem(KEPT); } catch { /* as above */ }
  return asked || kept || (navigator.language || "en").slice(0, 2);
}

// t("since", {span: "3 min"}) fills {span}.
export function t(key, values = {}) {
  const text = words[key] ?? fallback[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

export function known(key) {
  return key in words || key in fallback;
}

// The words for a stable code, or the code itself where nobody has words for it.
export function word(group, code) {
  return known(`${group}.${code}`) ? t(`${group}.${code}`) : String(code);
}
