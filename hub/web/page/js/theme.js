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
  remember(same ? null : wanted);
}

/** `changed` is called when the device changes its mind. */
export function startTheme(changed) {
  dark.addEventListener("change", changed);
}

/* For the next visit, when first.js takes it; where that is forbidden, for this one alone. */
function remember(chosen) {
  try {
    if (chosen === null) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, chosen);
  } catch {
    // private windows may forbid it
  }
}
