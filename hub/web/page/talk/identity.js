/* Who this tab is: an id of its own that a reload keeps, and the name of its room. */

const ID = "parlour.tab";
const NAME = "parlour.room";
const PATIENCE = 500; // ms in which the page before a reload lets go of its id

/* Return this tab's id. A tab that was duplicated came with the other one's, and gets a new one. */
export async function identify() {
  const kept = recall(ID);
  if (kept && (await claim(kept))) return kept;
  const fresh = Array.from(crypto.getRandomValues(new Uint8Array(18)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
  keep(ID, fresh);
  if (kept) keep(NAME, "");
  await claim(fresh);
  return fresh;
}

export function roomBefore() {
  return recall(NAME) ?? "";
}

export function keepRoom(name) {
  keep(NAME, name);
}

/* Hold a lock of that name for as long as the page lives; false where another tab has it. */
async function claim(id) {
  if (!navigator.locks) return true;
  return new Promise((resolve) => {
    navigator.locks
      .request(`parlour.${id}`, { signal: AbortSignal.timeout(PATIENCE) }, () => {
        resolve(true);
        return new Promise(() => {}); // until the page goes
      })
      .catch(() => resolve(false));
  });
}

function recall(key) {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null; // switched off: then a reload is a new tab
  }
}

function keep(key, value) {
  try {
    sessionStorage.setItem(key, value);
  } catch {
    // as above
  }
}
