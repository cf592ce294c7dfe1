/* Where the conversation of this tab is, and the steps between, as satellite/conversation.py has it.

   The hub says when somebody has finished, and what becomes of a reply that is spoken over. */

const REPORT = 200; // ms
// No state lasts for ever: ms.
const LISTENING = 20000;
const HELD_DOWN = 65000;
const FOLLOW_UP = 5000;
const THINKING = 30000;
const STALLED = 10000;
const RULING = 4000;
const NOT_HEARD = "stt-no-text-recognized"; // nobody spoke: no reason for a fuss

const NO_REPLY = { turn: null, said: "", orphaned: false };

export class Conversation {
  phase = "idle"; // "listening", "thinking", "speaking"
  #voice;
  #turn = null; // the newest that the hub named
  #named = true; // whether the turn that goes on is that one
  #dropped = null; // a turn of which nothing more is played
  #giveUpNext = false; // the turn that was stopped is yet to be named
  #reply = NO_REPLY;
  #followsUp = false;
  #reported = 0;
  #progress = ""; // of the reply, at the last look
  #watchdog = 0;

  /* `send(type, data)` tells the hub; `changed()` is told of each step, `failed(code, text)` of what
     went wrong; `blocked()` that the browser wants a click before it plays; `answers()` tells
     whether to listen for an answer to a question. */
  constructor(voice, { send, changed, failed, blocked, answers }) {
    this.#voice = voice;
    this.send = send;
    this.changed = changed;
    this.failed = failed;
    this.blocked = blocked;
    this.answers = answers;
  }

  get held() {
    return this.phase === "speaking" && (this.#voice.player?.held ?? false);
  }

  // ---- what a person does

  /* Begin to listen. `options` are added to the request. */
  listen(options = {}) {
    this.#newTurn("listening", options.push_to_talk ? HELD_DOWN : LISTENING);
    this.#voice.sounds?.awake();
    this.#run(options);
  }

  ask(text) {
    this.#newTurn("thinking");
    this.send("ask", { text });
  }

  /* That was all that is to be heard. */
  finish() {
    if (this.phase !== "listening") return;
    this.send("audio-stop");
    this.#enter("thinking", THINKING);
  }

  /* Be quiet, and forget what was asked. */
  stop() {
    if (this.phase === "idle") return;
    this.#dropReply();
    if (this.#named && this.#turn) this.#giveUp(this.#turn);
    else this.#giveUpNext = true;
    this.#rest();
  }

  /* Somebody reaches for the button, or the answer to that. */
  pause() {
    if (this.phase === "speaking") this.#voice.player?.hold();
  }

  goOn() {
    if (this.held) this.#resume();
  }

  // ---- what the hub says

  received(type, data) {
    if (!this.#concerns(type, data.turn)) return;
    switch (type) {
      case "detection":
        this.#newTurn("listening");
        this.#voice.sounds?.awake();
        break;
      case "transcribe":
        if (this.phase === "idle") this.#newTurn("listening"); // it heard somebody begin
        this.#isNamed(data.turn);
        break;
      case "voice-started":
        if (this.#followsUp) this.#enter("listening", LISTENING);
        break;
      case "transcript":
        this.#isNamed(data.turn);
        if (this.phase !== "thinking") this.#enter("thinking", THINKING);
        break;
      case "voice-stopped":
        if (this.phase === "listening") this.#enter("thinking", THINKING);
        break;
      case "synthesize":
        this.#reply.said = `${this.#reply.said} ${data.text ?? ""}`.trimEnd();
        break;
      case "audio-start":
        this.#replies(data);
        break;
      case "audio-stop":
        if (this.phase !== "speaking" || data.turn !== this.#reply.turn) break;
        this.#voice.player?.end();
        if (!this.#voice.player?.active) this.drained();
        break;
      case "hold":
        if (this.phase !== "speaking" || data.turn !== this.#reply.turn) break;
        this.#voice.player?.hold();
        this.#enter("speaking", RULING, () => this.#resume());
        break;
      case "resume":
        if (data.turn === this.#reply.turn && this.held) this.#resume();
        break;
      case "flush":
        this.#flushed(data);
        break;
      case "error":
        this.#dropReply();
        this.#rest();
        if (data.code === NOT_HEARD) break;
        this.#voice.sounds?.error();
        this.failed(data.code, data.text);
    }
  }

  sound(pcm) {
    if (this.phase === "speaking") this.#voice.player?.feed(pcm);
  }

  /* The hub is gone. What has come of a reply is still heard. */
  lost() {
    this.#turn = null;
    this.#named = true;
    this.#giveUpNext = false;
    if (this.phase !== "speaking" || !this.#voice.player?.active) return this.#rest();
    this.#reply.orphaned = true;
    this.goOn();
    this.#voice.player.end();
    return undefined;
  }

  /* Whether an event is of the turn that goes on, or names the next one. */
  #concerns(type, turn) {
    const names = ["transcribe", "transcript", "audio-start"].includes(type);
    if (turn && names && this.#giveUpNext && turn !== this.#dropped) {
      this.#giveUpNext = false;
      this.#giveUp(turn);
    }
    if (type === "flush" || type === "detection") return true;
    if (turn && turn === this.#dropped) return false;
    if (type === "error") return !this.#named || turn === this.#turn;
    return this.#named || names;
  }

  #isNamed(turn) {
    this.#turn = turn ?? this.#turn;
    this.#named = true;
    this.#giveUpNext = false;
  }

  #replies({ rate, channels, turn }) {
    const before = this.#reply;
    this.#dropReply();
    this.#isNamed(turn);
    const said = before.turn === null ? before.said : "";
    this.#reply = { turn, said, orphaned: false };
    this.#voice.player?.begin({ rate, channels });
    this.#enter("speaking", STALLED);
    void this.#voice.wake().then((heard) => {
      if (!heard && this.#voice.player) this.blocked();
    });
  }

  #resume() {
    this.#voice.player?.resume();
    this.#enter("speaking", STALLED);
  }

  #flushed({ turn, listen }) {
    const goesOn = this.#named && turn === this.#turn;
    if (turn === this.#reply.turn) this.#dropReply();
    else if (goesOn) this.send("playback", { turn, samples_played: 0 });
    if (!goesOn) return;
    if (listen) this.#newTurn("listening");
    else this.#rest();
  }

  // ---- the reply

  /* The player has played some more. */
  playing() {
    if (this.phase !== "speaking") return;
    const { samplesPlayed, samplesReceived } = this.#voice.player;
    const progress = `${samplesPlayed} ${samplesReceived}`;
    if (progress !== this.#progress && !this.held) this.#watch(STALLED, () => this.#stuck());
    this.#progress = progress;
    if (performance.now() - this.#reported >= REPORT) this.#report();
  }

  /* All of it was heard. */
  drained() {
    if (this.phase !== "speaking") return;
    this.#report();
    const { orphaned, said } = this.#reply;
    if (orphaned) return this.#rest();
    this.send("played");
    if (!said.endsWith("?") || !this.answers()) return this.#rest();
    this.#newTurn("listening", FOLLOW_UP);
    this.#followsUp = true;
    this.#run({});
    return undefined;
  }

  #report() {
    const { turn, orphaned } = this.#reply;
    if (!turn || orphaned || !this.#voice.player) return;
    this.#reported = performance.now();
    this.send("playback", { turn, samples_played: this.#voice.player.samplesPlayed });
  }

  /* Be quiet, and say how much was heard. */
  #dropReply() {
    if (this.phase !== "speaking") return;
    this.#voice.player?.flush();
    this.#report();
    this.#dropped = this.#reply.turn;
  }

  #giveUp(turn) {
    this.#dropped = turn;
    this.send("interruption", { turn, stop: true });
  }

  #stuck() {
    this.#dropReply();
    if (!this.#reply.orphaned) this.send("played");
    this.#rest();
  }

  // ---- states

  #run(options) {
    const request = { start_stage: "asr", end_stage: "tts", restart_on_end: false, ...options };
    this.send("run-pipeline", request);
  }

  /* A turn begins that the hub is yet to name; what is left of the one before means nothing. */
  #newTurn(phase, patience = phase === "listening" ? LISTENING : THINKING) {
    this.#dropReply();
    if (this.#named && this.#turn) this.#dropped = this.#turn;
    this.#named = this.#giveUpNext = false;
    this.#reply = { ...NO_REPLY };
    this.#enter(phase, patience);
  }

  #enter(phase, patience, then = undefined) {
    const overdue = { listening: () => this.finish(), thinking: () => this.#noReply() };
    this.phase = phase;
    this.#followsUp = false;
    this.#watch(patience, then ?? overdue[phase] ?? (() => this.#stuck()));
    this.changed();
  }

  #rest() {
    clearTimeout(this.#watchdog);
    this.phase = "idle";
    this.#followsUp = false;
    this.changed();
  }

  #watch(patience, then) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(then, patience);
  }

  #noReply() {
    if (this.#named && this.#turn) this.#giveUp(this.#turn);
    else this.#giveUpNext = true;
    this.#rest();
    this.#voice.sounds?.error();
    this.failed("no-reply", "The hub does not answer. Try again.");
  }
}
