/* The microphone: 16 kHz mono 16-bit, in frames of 32 ms. */

import { Resampler, toInt16 } from "./resampler.js";

const RATE = 16000;
const FRAME = 512; // samples
const KEPT = 20; // frames, 0.64 s
const QUIETEST = 60; // dB below full scale: level 0

/* Why there is no microphone; `code` for programs, the message for people. */
export class NoMicrophone extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

/* Calls `onFrame(Int16Array, level)` for each frame, and `onLost` when the device has gone. */
export class Microphone {
  #context;
  #stream = null;
  #source = null;
  #node = null;
  #opening = null;
  #resampler;
  #frame = new Float32Array(FRAME);
  #filled = 0;
  #kept = []; // the last frames

  constructor(context, { onFrame, onLost }) {
    this.#context = context;
    this.onFrame = onFrame;
    this.onLost = onLost;
    this.#resampler = new Resampler(context.sampleRate, RATE);
  }

  get isOpen() {
    return this.#node !== null;
  }

  /* Open it; asks the person, the first time. Throws NoMicrophone. */
  open() {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  /* Return the last frames, up to so many seconds of them. */
  last(seconds) {
    const frames = Math.ceil((seconds * RATE) / FRAME);
    return frames > 0 ? this.#kept.slice(-frames) : [];
  }

  close() {
    this.#wanted = false;
    this.#node?.port.postMessage("close");
    if (this.#node) this.#node.port.onmessage = null;
    this.#source?.disconnect();
    this.#node?.disconnect();
    for (const track of this.#stream?.getTracks() ?? []) {
      track.onended = null;
      track.stop();
    }
    this.#stream = this.#source = this.#node = null;
    this.#kept = [];
    this.#filled = 0;
    this.#resampler.reset();
  }

  #wanted = false;
  #loaded = false; // whether the context has the worklet

  async #open() {
    this.#wanted = true;
    if (this.#node) return;
    if (!navigator.mediaDevices?.getUserMedia)
      throw new NoMicrophone(
        "insecure",
        "The browser gives the microphone only to https:// addresses and to this machine itself. " +
          "You can type instead.",
      );
    const stream = await this.#ask();
    try {
      if (!this.#loaded) {
        const worklet = new URL("microphone-worklet.js", import.meta.url);
        await this.#context.audioWorklet.addModule(worklet);
        this.#loaded = true;
      }
    } catch (error) {
      for (const track of stream.getTracks()) track.stop();
      throw error;
    }
    this.#stream = stream;
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#node = new AudioWorkletNode(this.#context, "parlour-microphone", {
      numberOfInputs: 1,
      outputChannelCount: [1],
    });
    this.#node.port.onmessage = ({ data }) => this.#heard(new Float32Array(data));
    this.#source.connect(this.#node);
    this.#node.connect(this.#context.destination); // silence; some browsers run it only so
    for (const track of stream.getAudioTracks())
      track.onended = () => {
        this.close();
        this.onLost();
      };
    if (!this.#wanted) this.close(); // meanwhile
  }

  async #ask() {
    try {
      return await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      });
    } catch (error) {
      switch (error.name) {
        case "NotAllowedError":
        case "SecurityError":
          throw new NoMicrophone(
            "denied",
            "The browser does not let this page use the microphone: allow it beside the address, " +
              "then press again. You can type instead.",
          );
        case "NotFoundError":
        case "OverconstrainedError":
          throw new NoMicrophone("no-microphone", "There is no microphone. You can type instead.");
        default:
          throw new NoMicrophone(
            "microphone-failed",
            "The microphone cannot be opened; another program may have it. You can type instead.",
          );
      }
    }
  }

  #heard(samples) {
    for (const sample of this.#resampler.process(samples)) {
      this.#frame[this.#filled++] = sample;
      if (this.#filled < FRAME) continue;
      this.#filled = 0;
      const frame = toInt16(this.#frame);
      this.#kept.push(frame);
      if (this.#kept.length > KEPT) this.#kept.shift();
      this.onFrame(frame, levelOf(this.#frame));
    }
  }
}

/* 0 (-60 dB of full scale, or less) to 1. */
function levelOf(samples) {
  let power = 0;
  for (const sample of samples) power += sample * sample;
  const level = 10 * Math.log10(power / samples.length + 1e-12);
  return Math.max(0, Math.min(1, 1 + level / QUIETEST));
}
