// Requests to our own API with the session cookie. Errors are RFC 9457 problems; here they become one Problem.

/** What went wrong, in words for people. `status` is 0 where no answer came at all. */
export class Problem extends Error {
  constructor(status, title, requestId = null) {
    super(title);
    this.status = status;
    this.requestId = requestId;
  }

  /** The sentence for the page, with the request id that support needs. */
  get sentence() {
    return this.requestId ? `${this.message} (request ${this.requestId})` : this.message;
  }
}

/** The JSON answer of GET `path`; throws Problem. */
export const get = (path) => ask(path, { method: "GET" });

/** The JSON answer of POST `path`, null where it has none; throws Problem. */
export function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) });
}

/** All items of a list route, following its cursor for at most `pages` pages: `{items, more}`. */
export async function getAll(path, { pages }) {
  const items = [];
  let cursor = null;
  for (let page = 0; page < pages; page += 1) {
    const answer = await get(cursor ? `${path}&cursor=${encodeURIComponent(cursor)}` : path);
    items.push(...answer.items);
    cursor = answer.next_cursor;
    if (!cursor) return { items, more: false };
  }
  return { items, more: true };
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(20_000), ...options });
  } catch {
    throw new Problem(0, "The server does not answer");
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer.status === 204 ? null : answer.json().catch(() => null);
}

async function problemOf(answer) {
  const body = await answer.json().catch(() => ({}));
  const title = body?.detail || body?.title || `The server answered ${answer.status}`;
  return new Problem(answer.status, String(title), answer.headers.get("X-Request-Id") ?? body?.instance ?? null);
}
