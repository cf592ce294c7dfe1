/* Plays the sound that the hub keeps of a turn: one at a time, in the whole page. */

import { notice } from "./notices.js";

const player = new Audio();
player.preload = "none";
let playing = null; // the button whose sound it is

/** Play what `address` holds, or stop it where that is what plays. */
export function toggleReplay(button, address) {
  const same = playing === button;
  stopReplay();
  if (same) return;
  playing = button;
  button.dataset.playing = "yes";
  button.setAttribute("aria-pressed", "true");
  player.src = address;
  player.play().catch((problem) => {
    if (problem.name === "AbortError") return;
    if (playing === button) stopReplay();
    notice("That sound can't be played any more: the hub keeps only the last ones.", "bad");
  });
}

/** Be silent, and let go of the sound. */
export function stopReplay() {
  if (!playing) return;
  delete playing.dataset.playing;
  playing.setAttribute("aria-pressed", "false");
  playing = null;
  player.pause();
  player.removeAttribute("src");
  player.load();
}

/** Be silent if it is this button's sound: it is going away. */
export function stopReplayOf(button) {
  if (playing === button) stopReplay();
}

player.addEventListener("ended", stopReplay);
