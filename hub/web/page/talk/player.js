/* Plays replies through one AudioContext: as they come, held, resumed, dropped. */

import { Resampler, toFloat32 } from "./resampler.js";

const AHEAD = 1.5; // seconds that the worklet has; the rest waits here
const MOST = 300; // seconds of a reply; the rest is dropped

/* What to multiply samples with: half of a level from 0 to 1 is heard as half as loud, -10 dB. */
export function gainOf(level) {
  return level <= 0 ? 0 : level ** (0.5 * Math.log2(10));
}

/* Calls `onProgress` some 25 times a second while a reply plays, and `onDone` once at its end. */
export class Player {
  #context;
  #node = null;
  #volume;
  #reply = 0; // counts
  #rate = 0;
  #channels = 1;
  #resampler = null;
  #waiting = []; // Int16Arrays that the worklet has no place for yet
  #given = 0; // samples that the worklet was given, at its own rate
  #received = 0; // at the reply's rate, each with all channels
  #played = 0; // at the worklet's rate
  #ended = false;
  #told = false; // the worklet, of the end
  #finishing = 0; // timer: what is out of the worklet is not out of the loudspeaker yet

  constructor(context, { onProgress, onDone }) {
    this.#context = context;
    this.onProgress = onProgress;
    this.onDone = onDone;
    this.#volume = context.createGain();
    this.#volume.connect(context.destination);
  }

  /* Where other sounds of the tab go, so that they are as loud as it is. */
  get output() {
    return this.#volume;
  }

  active = false; // something of a reply is left to play, or to come
  held = false;

  /* Samples that were heard, at the reply's rate. */
  get samplesPlayed() {
    const { sampleRate, outputLatency = 0 } = this.#context;
    const heard = this.active ? this.#played - outputLatency * sampleRate : this.#played;
    return Math.max(0, Math.min(this.#received, Math.floor((heard * this.#rate) / sampleRate)));
  }

  /* Samples that came, at the reply's rate. */
  get samplesReceived() {
    return this.#received;
  }

  async load() {
    await this.#context.audioWorklet.addModule(new URL("player-worklet.js", import.meta.url));
    this.#node = new AudioWorkletNode(this.#context, "parlour-player", {
      numberOfInputs: 0,
      outputChannelCount: [1],
    });
    this.#node.port.onmessage = ({ data }) => this.#progress(data);
    this.#node.connect(this.#volume);
  }

  begin({ rate, channels }) {
    this.#forget();
    this.#reply += 1;
    this.#rate = rate;
    this.#channels = channels;
    this.#resampler = new Resampler(rate, this.#context.sampleRate);
    this.#received = this.#played = this.#given = 0;
    this.active = true;
    this.#tell("begin");
  }

  feed(buffer) {
    if (!this.active || this.#ended) return;
    const samples = new Int16Array(buffer, 0, buffer.byteLength >> 1);
    if (this.#received + samples.length / this.#channels > MOST * this.#rate) return;
    this.#received += samples.length / this.#channels;
    this.#waiting.push(samples);
    this.#give();
  }

  end() {
    if (!this.active) return;
    this.#ended = true;
    this.#give();
  }

  hold() {
    if (!this.active) return;
    this.held = true;
    this.#tell("hold");
  }

  resume() {
    this.held = false;
    this.#tell("resume");
  }

  /* Be quiet, now. */
  flush() {
    if (!this.active) return;
    const played = this.samplesPlayed;
    this.#tell("flush");
    this.#forget();
    this.#played = (played * this.#context.sampleRate) / this.#rate;
  }

  setVolume(level) {
    this.#volume.gain.setTargetAtTime(gainOf(level), this.#context.currentTime, 0.006);
  }

  /* Give the worklet what it has place for. */
  #give() {
    const most = this.#played + AHEAD * this.#context.sampleRate;
    while (this.#waiting.length && this.#given < most) {
      const samples = this.#waiting.shift();
      this.#send(this.#resampler.process(toFloat32(samples, this.#channels)));
    }
    if (this.#ended && !this.#waiting.length && !this.#told) {
      this.#told = true;
      this.#send(this.#resampler.flush());
      this.#tell("end");
    }
  }

  #send(sound) {
    if (!sound.length) return;
    this.#given += sound.length;
    const own = sound.byteLength === sound.buffer.byteLength ? sound : sound.slice();
    this.#node?.port.postMessage({ type: "sound", reply: this.#reply, sound: own.buffer }, [own.buffer]);
  }

  #tell(type) {
    this.#node?.port.postMessage({ type, reply: this.#reply });
  }

  #progress({ reply, played, done }) {
    if (reply !== this.#reply || !this.active) return;
    this.#played = played;
    this.#give();
    this.onProgress();
    if (done && !this.#finishing) {
      const latency = this.#context.outputLatency || 0;
      this.#finishing = setTimeout(() => {
        this.#forget();
        this.#played = Infinity; // all of it, however the rates divide
        this.onDone();
      }, latency * 1000);
    }
  }

  #forget() {
    clearTimeout(this.#finishing);
    this.#finishing = 0;
    this.#waiting = [];
    this.#ended = this.#told = this.active = this.held = false;
  }
}
