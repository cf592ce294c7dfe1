/* Light or dark: as the device has it, until somebody chooses. */

const KEY = "parlour.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Whether it is dark at present. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : dark.matches;
}

/** Take the other one, and remember it; the device's own choice needs no memory. */
export function toggleTheme() {
  const wanted = isDark() ? "light" : "dark";
  const same = (wanted === "dark") === dark.matches;
  if (same) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = wanted;
  remember(KEY, same ? null : wanted);
}

/** Take what was chosen before. `changed` is called when the device changes its mind. */
export function startTheme(changed) {
  const chosen = recall(KEY);
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  dark.addEventListener("change", changed);
}

/** Keep something in this browser; where that is forbidden, for this visit alone. */
export function remember(key, value) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // private windows may forbid it
  }
}

/** What was kept; null if nothing. */
export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
