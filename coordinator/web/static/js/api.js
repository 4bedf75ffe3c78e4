// Asks the coordinator; what it refuses becomes a Failure with its code, sentence and hint.

const KEPT = "pilewise.token";

export class Failure extends Error {
  constructor(status, told) {
    super(told.message || `HTTP ${status}`);
    Object.assign(this, { status, code: told.code || "", hint: told.hint || "" });
  }
}

export function token() {
  try { return sessionStorage.getItem(KEPT) || ""; } catch { return ""; }
}

// Kept for this tab only; an empty one forgets.
export function keepToken(value) {
  try { value ? sessionStorage.setItem(KEPT, value) : sessionStorage.removeItem(KEPT); } catch { /* not kept */ }
}

export async function get(path, signal) {
  return ask(path, { signal });
}

export async function post(path, body) {
  const headers = { "content-type": "application/json" };
  if (token()) headers.authorization = `Bearer ${token()}`;
  return ask(path, { method: "POST", headers, body: JSON.stringify(body || {}) });
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, { code: "WEB-000", message: String(error.message) });
  }
  const told = await response.json().catch(() => ({}));
  if (!response.ok) throw new Failure(response.status, told.error || {});
  return told;
}
