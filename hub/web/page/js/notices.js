/* Short messages that pass, and what is read aloud. */

import { h, setText } from "./dom.js";

const SHOWN = 7_000; // ms
const MOST = 3;

const place = document.getElementById("notices");
const spoken = document.getElementById("spoken");

/** Show a sentence for a while: "good" or "bad". */
export function notice(text, kind = "good") {
  const close = h("button.quiet", { "aria-label": "Dismiss", text: "×" });
  const made = h(
    "div.notice",
    { data: { kind }, role: kind === "bad" ? "alert" : "status" },
    h("span", { text }),
    close,
  );
  const timer = setTimeout(() => made.remove(), SHOWN);
  close.addEventListener("click", () => {
    clearTimeout(timer);
    made.remove();
  });
  place.append(made);
  while (place.children.length > MOST) place.firstElementChild.remove();
}

/** Have a screen reader read it when it has time. */
export function readAloud(text) {
  setText(spoken, text);
}

/** Run something; say what was wrong if it fails. Returns whether it worked. */
export async function attempt(work, done = "") {
  try {
    await work();
  } catch (problem) {
    notice(problem.message, "bad");
    return false;
  }
  if (done) notice(done);
  return true;
}
