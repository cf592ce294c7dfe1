/* Plays what it is given, without gaps; holds and drops it without clicks; tells what was played. */

const FADE = 0.01; // seconds
const REPORT = 0.04;

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = 1 / (FADE * sampleRate); // of the gain, each sample
    this.every = Math.round(REPORT * sampleRate);
    this.since = 0; // samples since the last report
    this.#clear(0);
    this.port.onmessage = ({ data }) => this.#told(data);
  }

  #told(message) {
    switch (message.type) {
      case "begin": // a reply
        this.#clear(message.reply);
        break;
      case "sound":
        if (message.reply !== this.reply || this.dropped) break;
        this.queue.push(new Float32Array(message.sound));
        break;
      case "end":
        if (message.reply === this.reply) this.ended = true;
        break;
      case "hold":
        this.held = true;
        break;
      case "resume":
        this.held = false;
        break;
      case "flush":
        this.dropped = true;
    }
  }

  #clear(reply) {
    this.reply = reply;
    this.queue = [];
    this.at = 0; // in the first of them
    this.played = 0;
    this.ended = this.held = this.dropped = this.done = false;
    this.gain = 1;
  }

  process(_, [[output]]) {
    const quiet = this.held || this.dropped;
    let i = 0;
    for (; i < output.length; i++) {
      if (quiet && this.gain <= 0) break;
      const sound = this.queue[0];
      if (sound === undefined) break;
      this.gain = Math.max(0, Math.min(1, this.gain + (quiet ? -this.step : this.step)));
      output[i] = sound[this.at++] * this.gain;
      this.played++;
      if (this.at === sound.length) {
        this.queue.shift();
        this.at = 0;
      }
    }
    if (this.dropped && i < output.length) this.queue = [];
    this.since += output.length;
    const empty = this.queue.length === 0;
    const done = empty && this.ended && !this.done;
    if (done) this.done = true;
    if (done || this.since >= this.every) {
      this.since = 0;
      if (this.reply && !this.dropped) {
        const { reply, played } = this;
        this.port.postMessage({ reply, played, done: this.done });
      }
    }
    return true;
  }
}

registerProcessor("parlour-player", Player);
