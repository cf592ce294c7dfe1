/* Talking to it: the microphone, the keyboard, and the conversation of this tab. */

import { Conversation } from "../conversation.js";
import { h, icon, setAttribute, setIcon, setText } from "../dom.js";
import { rolesOf } from "../engines.js";
import { Loading } from "../loading.js";
import { readAloud } from "../notices.js";
import { forget } from "../room_controls.js";
import { RoomList } from "../room_list.js";
import { TimerList } from "../timers.js";

const HOLD = 280; // ms after which a press is one that is held
const BUSY = new Set(["listening", "thinking", "speaking", "held"]);
const EXAMPLES = ["What can you do?", "Why is the sky blue?", "Set a timer for five minutes"];
let hidesText = false; // also when one has looked elsewhere meanwhile
const MODES = [
  ["tap", "Press", "Press once and speak, or hold while you speak."],
  ["speech", "Hands-free", "Just speak: it hears when you begin."],
  ["wake", "Wake word", "Say the wake word first."],
];

export class TalkView {
  #held = 0; // timer of a press that may become one that is held
  #holding = false;
  #mic = h("button.mic", { "aria-describedby": "talk-hint" });
  #micIcon = icon("microphone");
  #state = h("p.talk-state", { "aria-live": "off" });
  #hint = h("p.talk-hint", { id: "talk-hint" });
  #field = h("input.ask-field", {
    id: "ask",
    type: "text",
    autocomplete: "off",
    enterkeyhint: "send",
    maxlength: "1000",
    placeholder: "Or type a question",
    "aria-label": "Type a question",
  });
  #mute = h("button.quiet", { "aria-pressed": "false", text: "Mute" });
  #text = h("button.quiet");
  #modes = new Map();
  #told = null; // the problem that was read aloud

  constructor({ live, talk, signal }) {
    this.live = live;
    this.talk = talk;
    this.conversation = new Conversation(live, { empty: "", own: true });
    this.rooms = new RoomList(live, ["satellite", "tab"]); // where somebody may be
    this.timers = new TimerList(live);
    this.#examples = h(
      "div.examples",
      {},
      h("p.greeting", { text: "What would you like to know?" }),
      h("p.greeting-more", {
        text: "It answers aloud. Each step is shown here: what it heard, how it understood it, what it answers, and how long that took.",
      }),
      h(
        "div.chips",
        {},
        ...EXAMPLES.map((text) => h("button.chip", { text, on: { click: () => this.#ask(text) } })),
      ),
    );
    this.conversation.el.prepend(this.#loading.el, this.#examples);
    this.el = this.#build();
    this.#hideText(hidesText);
    this.#listen(signal);
  }

  #examples;
  #loading = new Loading();

  #build() {
    this.#mic.append(h("span.mic-glow"), h("span.mic-face", {}, this.#micIcon));
    const send = h("button.send", { type: "submit", "aria-label": "Send" }, icon("send"));
    const ask = h(
      "form.ask",
      { on: { submit: (event) => this.#submit(event) } },
      this.#field,
      send,
    );
    const modes = h("fieldset.modes", {}, h("legend.unseen", { text: "How to talk" }));
    for (const [mode, name, hint] of MODES) {
      const input = h("input", { type: "radio", name: "mode", value: mode });
      input.addEventListener("change", () => {
        void this.talk.setMode(mode);
      });
      this.#modes.set(mode, input);
      modes.append(h("label.mode", { title: hint }, input, h("span", { text: name })));
    }
    const fresh = h("button.quiet", {
      text: "New conversation",
      on: { click: () => this.#forget() },
    });
    return h(
      "div.talk",
      {},
      h(
        "section.hero",
        { "aria-label": "Talk" },
        h("div.hero-voice", {}, this.#mic, h("div.hero-words", {}, this.#state, this.#hint)),
        modes,
        ask,
      ),
      h(
        "section.talk-conversation",
        { "aria-labelledby": "talk-title" },
        h(
          "header.section-head",
          {},
          h("h1", { id: "talk-title", text: "This conversation" }),
          h("div.section-tools", {}, this.#mute, this.#text, fresh),
        ),
        this.conversation.el,
      ),
      h(
        "aside.rail",
        { "aria-label": "The house" },
        h("h2", { text: "Rooms" }),
        this.rooms.el,
        h("h2", { text: "Timers" }),
        this.timers.el,
      ),
    );
  }

  #listen(signal) {
    const mic = this.#mic;
    mic.addEventListener("pointerdown", (event) => {
      if (event.button === 0) this.#down();
    });
    for (const name of ["pointerup", "pointercancel"])
      addEventListener(name, () => this.#up(), { signal });
    mic.addEventListener("keydown", (event) => {
      if ((event.key === " " || event.key === "Enter") && !event.repeat) this.#down();
      if (event.key === " " || event.key === "Enter") event.preventDefault();
    });
    mic.addEventListener("keyup", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      this.#up();
    });
    // Assistive technology clicks without a pointer.
    mic.addEventListener("click", (event) => {
      if (event.detail === 0 && event.pointerType === "") this.talk.tap();
    });
    mic.addEventListener("contextmenu", (event) => event.preventDefault());
    addEventListener("blur", () => this.#up(), { signal });
    addEventListener(
      "keydown",
      (event) => {
        if (event.key === "Escape" && BUSY.has(this.talk.state)) this.talk.stop();
      },
      { signal },
    );
    this.talk.addEventListener(
      "level",
      ({ detail }) => mic.style.setProperty("--level", Number(detail).toFixed(3)),
      { signal },
    );
    this.live.addEventListener("level", ({ detail }) => this.rooms.level(detail), { signal });
    this.#mute.addEventListener("click", () => this.talk.setMuted(!this.talk.muted));
    this.#text.addEventListener("click", () => this.#hideText(!hidesText));
    signal.addEventListener("abort", () => {
      clearTimeout(this.#held);
      if (this.#holding) this.talk.release();
    });
  }

  /* A short press is one turn that ends by itself; a long one ends when it is let go. */
  #down() {
    clearTimeout(this.#held);
    if (this.talk.state !== "idle" || this.talk.mode !== "tap") {
      this.#held = 0;
      this.talk.tap();
      return;
    }
    this.#held = setTimeout(() => {
      this.#held = 0;
      this.#holding = true;
      this.talk.press();
    }, HOLD);
  }

  #up() {
    if (this.#held) {
      clearTimeout(this.#held);
      this.#held = 0;
      this.talk.tap();
    } else if (this.#holding) {
      this.#holding = false;
      this.talk.release();
    }
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#field.value.trim();
    if (!text) return this.#field.focus();
    this.#field.value = "";
    this.#ask(text);
  }

  async #ask(text) {
    // What could not be asked is not lost.
    if (!(await this.talk.ask(text)) && !this.#field.value) this.#field.value = text;
  }

  #hideText(hidden) {
    hidesText = hidden;
    this.el.dataset.text = hidden ? "hidden" : "shown";
    setText(this.#text, hidden ? "Show text" : "Hide text");
    this.conversation.hideText(hidden);
  }

  #forget() {
    if (!this.talk.room) return;
    forget(this.talk.room);
  }

  show() {
    this.update({ all: true, turns: new Set() });
  }

  update(change) {
    if (change.all || change.rooms || change.turns.size || change.connection)
      this.rooms.update(this.talk.room);
    if (change.all || change.timers) this.timers.update();
    if (change.all || change.hub || change.engines || change.connection || change.rooms)
      this.talkChanged(); // with the conversation
    else if (change.turns.size || change.conversations.size) this.#showConversation();
  }

  #showConversation() {
    this.conversation.show(this.talk.room ?? "");
    const wait = Boolean(this.live.hub && !this.live.hub.ready);
    this.#loading.update(wait, this.live);
    this.#examples.hidden = wait || this.live.turnsOf(this.talk.room).length > 0;
  }

  talkChanged() {
    const { state, mode, muted, error } = this.talk;
    this.#mic.dataset.state = state;
    const [words, hint, label] = this.#words();
    setText(this.#state, words);
    setText(this.#hint, hint);
    this.#hint.classList.toggle("bad", Boolean(error));
    if (error && error !== this.#told) readAloud(error.text);
    this.#told = error;
    setAttribute(this.#mic, "aria-label", label);
    setIcon(this.#micIcon, pictureOf(state));
    if (state !== "listening") this.#mic.style.setProperty("--level", "0");
    for (const [name, input] of this.#modes) input.checked = name === mode;
    setAttribute(this.#mute, "aria-pressed", String(muted));
    setText(this.#mute, muted ? "Unmute" : "Mute");
    this.#showConversation();
  }

  /* What goes on, what one can do about it, and what the button does. */
  #words() {
    const { state, mode, error, ringing } = this.talk;
    const said = error?.text ?? "";
    if (ringing && state === "idle")
      return ["A timer rings", "Press to stop it.", "Stop the timer's ring"];
    const wait = this.live.hub && !this.live.hub.ready;
    switch (state) {
      case "connecting":
        return ["Connecting", said || "One moment.", "Talk"];
      case "offline":
        return [
          "No connection",
          said || "The hub can't be reached. It is tried again by itself.",
          "Try again",
        ];
      case "denied":
        return ["No microphone", said || "You can type instead.", "Try the microphone again"];
      case "muted":
        return [
          "Muted",
          said || "The microphone is off. Press to turn it on.",
          "Turn the microphone on",
        ];
      case "listening":
        return [
          "Listening",
          said ||
            (this.#holding ? "Let go when you have finished." : "It hears when you have finished."),
          "Listening; press to end",
        ];
      case "thinking":
        return ["Thinking", said, "Thinking; press to stop"];
      case "speaking":
        return ["Speaking", said || "Press to interrupt.", "Speaking; press to interrupt"];
      case "held":
        return ["Go on?", said || "It listens whether you meant it.", "Press to interrupt"];
      default:
        if (wait) return this.#unready(said);
        if (mode === "speech")
          return ["Just speak", said || "It hears when you begin.", "Talk now"];
        if (mode === "wake") return ["Say the word", said || this.#wakeWords(), "Talk now"];
        return ["Press and ask", said || "Or hold it while you speak.", "Talk"];
    }
  }

  #unready(said) {
    if (rolesOf(this.live).some((one) => one.needed && one.state === "failed"))
      return ["Not working", said || "Something it needs is missing.", "Talk"];
    return ["Nearly ready", said || "The models are loading.", "Talk"];
  }

  #wakeWords() {
    const room = this.live.rooms.get(this.talk.room);
    const words = (room?.wake_words ?? [])
      .filter((word) => word.active)
      .map((word) => `“${word.phrase}”`);
    return words.length ? `It waits for ${words.join(" or ")}.` : "It waits for the wake word.";
  }

  dispose() {
    this.conversation.clear();
    this.timers.dispose();
  }
}

function pictureOf(state) {
  if (state === "speaking" || state === "held") return "stop";
  return state === "muted" || state === "denied" ? "muted" : "microphone";
}
