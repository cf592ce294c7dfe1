/* What a tab hears with and speaks with: one AudioContext, and what hangs on it. */

import { Microphone, NoMicrophone } from "./microphone.js";
import { Player } from "./player.js";
import { Sounds } from "./sounds.js";

const REST = 15000; // ms without sound after which the context costs nothing any more
const START = 400; // ms in which it starts, if the browser lets it

export class Voice {
  #context = null;
  #resting = 0;
  player = null; // null where the browser has none
  microphone = null;
  sounds = null;

  /* Get ready to make sound. Throws NoMicrophone where the browser has nothing for that. */
  async load({ onProgress, onDone, onFrame, onLost, quiet }) {
    const context = new AudioContext({ latencyHint: "interactive" });
    if (!context.audioWorklet) {
      await context.close();
      throw new NoMicrophone(
        "insecure",
        "The browser gives sound only to https:// addresses and to this machine itself.",
      );
    }
    const player = new Player(context, { onProgress, onDone });
    await player.load();
    this.#context = context;
    this.microphone = new Microphone(context, { onFrame, onLost });
    this.sounds = new Sounds(context, player.output, quiet);
    this.player = player;
    this.rest();
  }

  /* Let sound be made and heard; false where the browser wants a click first. */
  async wake() {
    clearTimeout(this.#resting);
    if (!this.#context) return false;
    if (this.#context.state !== "running") {
      // It settles only at the next click, where it is not allowed yet.
      const late = new Promise((resolve) => setTimeout(resolve, START));
      await Promise.race([this.#context.resume().catch(() => {}), late]);
    }
    return this.#context.state === "running";
  }

  /* From 0 to 1. */
  setVolume(level) {
    this.player?.setVolume(level);
    this.sounds?.setVolume(level);
  }

  /* Nothing is to be heard or said for now. */
  rest() {
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => {
      if (!this.#context) return;
      if (!this.microphone.isOpen && !this.player.active && !this.sounds.ringing)
        void this.#context.suspend();
    }, REST);
  }
}
