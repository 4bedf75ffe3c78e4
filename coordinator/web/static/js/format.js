// Numbers and instants as people read them; null and NaN are told as unknown, never as zero.

import { language, t } from "./i18n.js";

const DASH = "–";
let offset_h = 0;

// Instants are told in the time of the district, wherever the reader sits.
export function localTime(hours) {
  offset_h = hours;
}

function local(at_s) {
  return new Date((at_s + offset_h * 3600) * 1000);
}

// When the day of the district began in which this instant lies.
export function localDay_s(at_s) {
  return Math.floor((at_s + offset_h * 3600) / 86_400) * 86_400 - offset_h * 3600;
}

function missing(value) {
  return value === null || value === undefined || Number.isNaN(value);
}

export function number(value, digits = 0) {
  if (missing(value)) return DASH;
  return value.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function percent(share, digits = 1) {
  return missing(share) ? DASH : `${number(100 * share, digits)} %`;
}

export function clock(at_s, seconds = true) {
  if (missing(at_s)) return DASH;
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" };
  if (seconds) options.second = "2-digit";
  return local(at_s).toLocaleTimeString(language, options);
}

// 2026-11-27: read alike everywhere.
export function day(at_s) {
  return missing(at_s) ? DASH : local(at_s).toISOString().slice(0, 10);
}

// 40 s, 3 min, 2 h, 5 d
export function span(seconds) {
  if (missing(seconds)) return DASH;
  const s = Math.max(0, seconds);
  if (s < 90) return t("span.s", { n: number(s) });
  if (s < 5400) return t("span.min", { n: number(s / 60) });
  if (s < 172800) return t("span.h", { n: number(s / 3600) });
  return t("span.d", { n: number(s / 86400) });
}

export function ago(at_s, now_s) {
  return missing(at_s) ? t("never") : t("ago", { span: span(now_s - at_s) });
}

export function money(value, currency) {
  return missing(value) ? t("unknown_price") : `${number(value, 2)} ${currency || ""}`.trim();
}
