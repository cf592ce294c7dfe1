/* The tab's own sounds, made as they are played. */

import { gainOf } from "./player.js";

const RING_EVERY = 2000; // ms
const LONGEST_RING = 600000;
const LEAST_RING = 0.3; // of the volume
const RING = [
  [880, 0, 0.18],
  [1108.7, 0.14, 0.26],
]; // Hz, from, for (seconds)

export class Sounds {
  #context;
  #output;
  #bell; // where rings go
  #timer = 0;
  #until = 0;
  #rings = 0;
  #over = null;

  /* `output` is a node; `quiet` tells whether nothing may ring at the moment. */
  constructor(context, output, quiet) {
    this.#context = context;
    this.#output = output;
    this.#bell = context.createGain();
    this.#bell.connect(context.destination);
    this.quiet = quiet;
  }

  /* A ring is to be heard however quiet replies are. */
  setVolume(level) {
    this.#bell.gain.value = gainOf(Math.max(level, LEAST_RING));
  }

  get ringing() {
    return this.#timer !== 0;
  }

  /* It listens. */
  awake() {
    this.#tones([[523.3, 0, 0.09], [784, 0.06, 0.14]], 0.07, this.#output);
  }

  /* Something went wrong. */
  error() {
    this.#tones([[330, 0, 0.16], [247, 0.13, 0.28]], 0.12, this.#output);
  }

  /* A timer has ended: every 2 s, louder from ring to ring, until `stop`; or `over` is called. */
  ring(over) {
    this.#over = over;
    this.#until = performance.now() + LONGEST_RING;
    if (this.#timer) return;
    this.#rings = 0;
    this.#timer = setInterval(() => this.#again(), RING_EVERY);
    this.#again();
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }

  #again() {
    if (performance.now() > this.#until) {
      this.stop();
      this.#over();
    } else if (!this.quiet()) {
      this.#tones(RING, Math.min(0.1 + 0.04 * this.#rings++, 0.4), this.#bell);
    }
  }

  #tones(tones, loudness, output) {
    const { currentTime } = this.#context;
    for (const [frequency, from, seconds] of tones) {
      const tone = this.#context.createOscillator();
      const gain = this.#context.createGain();
      const begin = currentTime + 0.01 + from;
      tone.frequency.value = frequency;
      gain.gain.setValueAtTime(0, begin);
      gain.gain.linearRampToValueAtTime(loudness, begin + 0.01);
      gain.gain.exponentialRampToValueAtTime(0.0005, begin + seconds);
      tone.connect(gain).connect(output);
      tone.start(begin);
      tone.stop(begin + seconds + 0.02);
      tone.onended = () => {
        tone.disconnect();
        gain.disconnect();
      };
    }
  }
}
