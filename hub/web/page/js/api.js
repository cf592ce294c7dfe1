/* Requests to the hub. */

const TIMEOUT = 20_000; // ms
const SPOKEN = 180_000; // ms for what is answered only when it was heard

/** A request that the hub refused, or that did not reach it. */
export class Refused extends Error {
  constructor(status, code, text) {
    super(text);
    this.status = status;
    this.code = code;
  }
}

/** Go where one logs in. */
export function goToLogin() {
  location.assign("/login");
}

/**
 * Send a request; return what the answer holds.
 * @throws {Refused} with a sentence for people.
 */
export async function call(method, path, body, timeout = TIMEOUT) {
  const options = { method, headers: { Accept: "application/json" } };
  options.signal = AbortSignal.timeout(timeout);
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refused(0, "unreachable", "The hub can't be reached. Is it running?");
  }
  if (answer.status === 401) {
    goToLogin();
    throw new Refused(401, "login", "Log in first.");
  }
  let content = null;
  try {
    content = answer.status === 204 ? null : await answer.json();
  } catch {
    content = null;
  }
  if (answer.ok) return content;
  const error = content?.error ?? {};
  throw new Refused(
    answer.status,
    error.code ?? "http",
    sentence(error.text ?? `The hub answered ${answer.status}.`),
  );
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
/** Announce something; the answer comes when it was heard everywhere. */
export const announce = (asked) => call("POST", "/api/announce", asked, SPOKEN);
export const patch = (path, body) => call("PATCH", path, body);
export const remove = (path) => call("DELETE", path);

/** A room's address. */
export const roomPath = (name) => `/api/rooms/${encodeURIComponent(name)}`;

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
