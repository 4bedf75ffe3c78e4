// Sentences of the page, by language; a missing one shows its key, so that it is seen.

export const languages = { en: "English", zh: "中文" };
const files = [""]; // what the names of the files of words begin with
const KEPT = "pilewise.language";
let words = {};
let fallback = {};
export let language = "en";

// A page with words of its own names them before it starts: also("drive-").
export function also(prefix) {
  files.push(prefix);
}

export async function start(name = chosen()) {
  const one = async (prefix, code) => (await fetch(`/static/i18n/${prefix}${code}.json`)).json();
  const load = async (code) => Object.assign({}, ...await Promise.all(files.map((prefix) => one(prefix, code))));
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
