/* A browser tab as a room that one can talk to: what the page's buttons do, and what goes on.

   It says and understands what a satellite does: docs/satellite-link.md. */

import { Conversation } from "./conversation.js";
import { identify, keepRoom, roomBefore } from "./identity.js";
import { Link } from "./link.js";
import { Voice } from "./voice.js";

const FIRST_WORD = 0.3; // seconds before a tap that are heard, too
const PRESSED = 0.6; // before a button counts as held
const CLOSE_MICROPHONE = 120000; // ms at rest, after which a mode that needs none lets go of it
const REOPEN = 1000; // ms after it was unplugged
const FIRST_CONNECTION = 5000; // ms for which a question waits for it
const MOST_TEXT = 1000; // letters
const MODES = ["tap", "speech", "wake"];

/* Events: "change", and "level" with the microphone's loudness, 0 to 1, in `detail`. */
export class Talk extends EventTarget {
  #voice = new Voice();
  #conversation;
  #link = null;
  #connecting = null;
  #id = "";
  #room = "";
  #accepted = false;
  #away = "connecting"; // while there is no hub
  #mode = "tap";
  #muted = false;
  #pressed = false;
  #beginning = false; // to listen
  #volume = 1;
  #error = null;
  #wakeWords = []; // as they are spoken, in the mode "wake"
  #ringing = new Set(); // ids of timers
  #closing = 0; // timer, of the microphone

  constructor() {
    super();
    this.#conversation = new Conversation(this.#voice, {
      send: (type, data) => this.#link?.send(type, data),
      changed: () => this.#stepped(),
      failed: (code, text) => this.#fail(code, text),
      blocked: () => this.#fail("sound-blocked", "The browser makes sound only after a click: click anywhere."),
      answers: () => this.#mode !== "speech" && this.#hears,
    });
  }

  get room() {
    return this.#room;
  }

  get state() {
    if (!this.#accepted) return this.#away;
    if (this.#conversation.held) return "held";
    if (this.#conversation.phase !== "idle") return this.#conversation.phase;
    if (this.#muted) return "muted";
    return ["denied", "no-microphone"].includes(this.#error?.code) ? "denied" : "idle";
  }

  get mode() {
    return this.#mode;
  }

  get muted() {
    return this.#muted;
  }

  get volume() {
    return this.#volume;
  }

  /* {code, text}, or null. */
  get error() {
    return this.#error;
  }

  /* Whether a timer rings. */
  get ringing() {
    return this.#ringing.size > 0;
  }

  /* Connect to the hub, and come back whenever it was lost. */
  connect() {
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  /* The hub is there again: do not wait any longer. */
  hurry() {
    this.#link?.hurry();
  }

  // ---- what a person does

  /* Begin to listen; or end what goes on: a question, an answer, a ring. */
  async tap() {
    if (!this.#accepted) return this.#link?.connect();
    const { phase } = this.#conversation;
    if (phase === "listening") return this.#conversation.finish();
    if (phase === "thinking") return this.stop();
    if (this.#silence()) return undefined;
    if (this.#muted) return this.setMuted(false);
    return this.#listen(FIRST_WORD, {});
  }

  /* Listen for as long as a button is held. */
  async press() {
    if (!this.#accepted || this.#muted) return this.tap();
    this.#silence();
    this.#pressed = true;
    await this.#listen(PRESSED, { push_to_talk: true });
    if (!this.#pressed) this.#conversation.finish(); // it was let go meanwhile
    return undefined;
  }

  /* The button is let go: that was all. */
  release() {
    if (!this.#pressed) return;
    this.#pressed = false;
    this.#conversation.finish();
  }

  /* "tap": listen when asked to; "speech": whenever somebody speaks; "wake": behind a wake word. */
  async setMode(mode) {
    if (!MODES.includes(mode)) throw new RangeError(`no mode ${mode}`);
    this.#mode = mode;
    this.#changed();
    if (mode !== "tap" && !this.#muted && !(await this.#open()) && this.#mode === mode) this.#mode = "tap";
    this.#tellMode();
    this.#settle();
    this.#changed();
  }

  /* Ask in writing; the answer is spoken. False where nobody is there to answer. */
  async ask(text) {
    const question = text.trim().slice(0, MOST_TEXT);
    if (!question) return false;
    if (!(await this.#reached())) {
      this.#fail("offline", "The hub cannot be reached: nobody is there to answer.");
      return false;
    }
    this.#silence();
    this.#clear();
    this.#conversation.ask(question);
    await this.#voice.wake();
    return true;
  }

  /* Whether the hub is there; waits while this page, which was only just opened, still connects. */
  async #reached() {
    const until = performance.now() + FIRST_CONNECTION;
    while (!this.#accepted && this.#away === "connecting" && !this.#error) {
      const left = until - performance.now();
      if (left <= 0) break;
      await new Promise((resolve) => {
        this.addEventListener("change", resolve, { once: true });
        setTimeout(resolve, left);
      });
    }
    return this.#accepted;
  }

  /* Be quiet, and forget what was asked. */
  stop() {
    this.#silence();
    this.#conversation.stop();
  }

  /* Switch the microphone off or on. */
  async setMuted(muted) {
    if (muted === this.#muted) return;
    this.#muted = muted;
    if (muted) {
      if (this.#conversation.phase === "listening") this.stop();
      this.#voice.microphone?.close();
      this.dispatchEvent(new CustomEvent("level", { detail: 0 }));
    } else if (this.#mode !== "tap" && !(await this.#open())) this.#mode = "tap";
    this.#tellMode();
    this.#tellStatus();
    this.#changed();
  }

  // ---- the microphone

  get #hears() {
    return !this.#muted && (this.#voice.microphone?.isOpen ?? false);
  }

  async #listen(before, options) {
    if (this.#beginning) return undefined; // the browser still asks whether it may
    this.#beginning = true;
    this.#conversation.pause(); // at once
    const hears = await this.#open();
    this.#beginning = false;
    if (!hears || !this.#accepted) return this.#conversation.goOn();
    this.#conversation.listen(options);
    if (this.#mode === "tap") // (otherwise it was sent already)
      for (const frame of this.#voice.microphone.last(before)) this.#link.sendSound(frame);
    return undefined;
  }

  async #open() {
    clearTimeout(this.#closing);
    if (!this.#voice.microphone) return false; // the error says why
    try {
      await Promise.all([this.#voice.wake(), this.#voice.microphone.open()]);
    } catch (error) {
      this.#fail(error.code ?? "microphone-failed", error.message);
      return false;
    }
    if (this.#muted) this.#voice.microphone.close();
    else this.#clear();
    return this.#hears;
  }

  #heard(frame, level) {
    this.dispatchEvent(new CustomEvent("level", { detail: level }));
    // Over a reply, too: whoever speaks then wants to interrupt it.
    const wanted = this.#mode !== "tap" || ["listening", "speaking"].includes(this.#conversation.phase);
    if (this.#accepted && wanted) this.#link.sendSound(frame);
  }

  #unplugged() {
    this.#fail("microphone-lost", "The microphone has gone.");
    if (this.#mode === "tap") return;
    setTimeout(() => void this.setMode(this.#mode), REOPEN);
  }

  /* Let go of what is not needed at rest. */
  #settle() {
    clearTimeout(this.#closing);
    if (this.#mode !== "tap" || this.#conversation.phase !== "idle") return;
    this.#voice.rest();
    this.#closing = setTimeout(() => {
      this.#voice.microphone?.close();
      this.#voice.rest();
    }, CLOSE_MICROPHONE);
  }

  // ---- the hub

  async #connect() {
    for (const gesture of ["pointerdown", "keydown"])
      addEventListener(gesture, () => this.#unblock(), { capture: true, passive: true });
    const sound = this.#voice.load({
      onProgress: () => this.#conversation.playing(),
      onDone: () => this.#conversation.drained(),
      onFrame: (frame, level) => this.#heard(frame, level),
      onLost: () => this.#unplugged(),
      quiet: () => this.#conversation.phase !== "idle",
    });
    try {
      await sound;
    } catch (error) {
      this.#fail(error.code ?? "no-sound", error.code ? error.message : "This browser plays no sound.");
    }
    this.#id = await identify();
    this.#link = new Link({
      address: () => this.#address(),
      onEvent: (type, data) => this.#received(type, data),
      onSound: (pcm) => this.#conversation.sound(pcm),
      onClosed: () => this.#lost(),
    });
    this.#link.connect();
  }

  #address() {
    const address = new URL("/api/talk", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    address.searchParams.set("tab", this.#id);
    address.searchParams.set("name", this.#room || roomBefore());
    return address;
  }

  #received(type, data) {
    switch (type) {
      case "accepted":
        this.#room = data.room;
        keepRoom(data.room);
        return;
      case "run-satellite":
        this.#accepted = true;
        this.#away = "offline";
        this.#link.accepted();
        if (["offline", "replaced", "too-many-connections"].includes(this.#error?.code)) this.#clear();
        this.#tellMode();
        this.#changed();
        return;
      case "configure":
        this.#tellStatus();
        return;
      case "detect":
        this.#wakeWords = data.names ?? [];
        this.#tellStatus();
        this.#changed();
        return;
      case "volume":
        this.#volume = data.level;
        this.#voice.setVolume(data.level);
        this.#tellStatus();
        this.#changed();
        return;
      case "timer-finished":
        this.#ringing.add(data.id);
        void this.#voice.wake();
        this.#voice.sounds?.ring(() => this.#silence());
        this.#changed();
        return;
      case "timer-started":
      case "timer-updated":
      case "timer-cancelled":
        if (this.#ringing.delete(data.id) && !this.ringing) this.#silence();
        return;
      case "error":
        if (data.turn === undefined) return this.#refused(data);
        break;
      case "transcript": // somebody speaks: that is heard above a ring
      case "detection":
      case "flush":
        this.#silence();
    }
    this.#conversation.received(type, data);
    return undefined;
  }

  /* An error of the connection, which the hub closes now. */
  #refused({ code, text }) {
    this.#fail(code, code === "replaced" ? "This conversation goes on in another tab." : text);
    if (code === "replaced") this.#link.disconnect();
    else this.#link.slowDown();
  }

  #lost() {
    this.#accepted = false;
    this.#conversation.lost();
    this.#changed();
  }

  #tellMode() {
    this.#link?.send("microphone", { mode: this.#muted || this.#mode === "tap" ? "off" : this.#mode });
  }

  #tellStatus() {
    const words = this.#wakeWords.map((phrase) => ({ name: phrase, phrase, active: true }));
    this.#link?.send("status", { muted: this.#muted, volume: this.#volume, wake_words: words });
  }

  // ---- what shows

  /* The conversation is somewhere else now. */
  #stepped() {
    if (this.#conversation.phase === "idle") this.#settle();
    else clearTimeout(this.#closing);
    this.#changed();
  }

  /* Stop a timer's ring; false where none rings. */
  #silence() {
    if (!this.ringing) return false;
    this.#ringing.clear();
    this.#voice.sounds?.stop();
    this.#settle();
    this.#changed();
    return true;
  }

  #unblock() {
    if (this.#error?.code !== "sound-blocked") return;
    this.#clear();
    void this.#voice.wake();
  }

  #clear() {
    if (this.#error === null) return;
    this.#error = null;
    this.#changed();
  }

  #fail(code, text) {
    this.#error = { code, text };
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
