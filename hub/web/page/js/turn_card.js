/* One turn, as it happens: each step with its result and its time. */

import { h, icon, setAttribute, setIcon, setText } from "./dom.js";
import { clock, duration, ending, machineTime } from "./format.js";
import { stopReplayOf, toggleReplay } from "./replay.js";
import { answerTime, fates, isTyped, steps, understood } from "./stages.js";
import { Waterfall } from "./waterfall.js";

const STEP_WORDS = {
  heard: "Heard",
  understood: "Understood",
  answered: "Answer",
  spoken: "Speech",
};
const WORKING = {
  heard: "Listening",
  understood: "Understanding",
  answered: "Thinking of an answer",
  spoken: "Speaking",
};
const PROBLEM = {
  failed: "This turn failed.",
  gone: "The connection was lost.",
  "nothing-said": "Nobody said anything that could be understood.",
};

export class TurnCard {
  #turn = null;
  #steps = {};
  #said = h("p.said");
  #reply = h("p.reply");
  #replyShown = "";
  #meaning = h("span.meaning");
  #problem = h("p.problem");
  #time = h("time.turn-time");
  #outcome = h("span.outcome");
  #figure = h("span.figure");
  #waterfall = null;
  #place = h("div.turn-waterfall", { hidden: true });
  #playReply = replayButton("Answer", "Play the answer again");
  #playSaid = replayButton("Question", "Play what was said");
  #more = h(
    "button.quiet.more",
    { "aria-expanded": "false" },
    icon("chevron"),
    "Where the time went",
  );
  #eye = icon("hide");
  #text = h("button.quiet", { "aria-label": "Hide text", title: "Hide text" }, this.#eye);

  constructor() {
    const results = {
      heard: this.#said,
      understood: this.#meaning,
      answered: h("div.answer", {}, this.#reply, this.#problem),
      spoken: h("div.turn-tools", {}, this.#playReply, this.#playSaid, this.#more, this.#text),
    };
    this.el = h("li.turn", {}, h("header.turn-head", {}, this.#time, this.#outcome, this.#figure));
    for (const [name, result] of Object.entries(results)) {
      const label = h("span.step-name", { text: STEP_WORDS[name] });
      const time = h("span.step-time");
      const row = h(
        `div.step.step-${name}`,
        {},
        h("span.step-dot"),
        label,
        h("div.step-result", {}, result),
        time,
      );
      this.#steps[name] = { row, time, label };
      this.el.append(row);
    }
    this.el.append(this.#place);
    this.#more.addEventListener("click", () => this.#toggleWaterfall());
    this.#text.addEventListener("click", () => this.hideText(this.el.dataset.text !== "hidden"));
    this.#playReply.addEventListener("click", () => this.#replay(this.#playReply, "reply"));
    this.#playSaid.addEventListener("click", () => this.#replay(this.#playSaid, "said"));
  }

  update(turn) {
    if (this.#turn === turn) return;
    const first = !this.#turn;
    this.#turn = turn;
    if (first) {
      setText(this.#time, clock(turn.began));
      setAttribute(this.#time, "datetime", machineTime(turn.began));
    }
    this.el.dataset.state = turn.state;
    this.el.dataset.outcome = turn.outcome;
    this.el.dataset.announcement = turn.announcement ? "yes" : "no";
    setText(this.#outcome, this.#outcomeWords(turn));
    const waited = answerTime(turn);
    setText(this.#figure, waited === null ? "" : duration(waited));
    this.#figure.title = waited === null ? "" : "from the last word to the first sound";
    this.#said.classList.toggle("partial", !turn.said);
    setText(this.#said, this.#words(turn));
    setText(this.#meaning, understood(turn));
    this.#showReply(turn);
    for (const step of steps(turn)) this.#showStep(step, turn);
    this.#playReply.hidden = !turn.sound.reply;
    this.#playSaid.hidden = !turn.sound.said;
    this.#waterfall?.update(turn);
  }

  dispose() {
    stopReplayOf(this.#playReply);
    stopReplayOf(this.#playSaid);
  }

  /** Hide what was said and answered, or show it. */
  hideText(hidden) {
    this.el.dataset.text = hidden ? "hidden" : "shown";
    setIcon(this.#eye, hidden ? "show" : "hide");
    const words = hidden ? "Show text" : "Hide text";
    this.#text.setAttribute("aria-label", words);
    this.#text.title = words;
  }

  #words(turn) {
    if (turn.said || turn.partial) return turn.said || turn.partial;
    if (turn.state !== "ended") return "…";
    return turn.outcome === "nothing-said" ? "Nothing" : "–";
  }

  #outcomeWords(turn) {
    if (turn.state !== "ended") return "";
    return turn.outcome === "answered" && !turn.announcement ? "" : ending(turn);
  }

  #showReply(turn) {
    const parts = fates(turn);
    const shown = JSON.stringify(parts);
    if (shown !== this.#replyShown) {
      this.#replyShown = shown;
      let cut = false;
      const pieces = [];
      for (const { text, fate } of parts) {
        if (fate === "cut" && !cut) {
          cut = true;
          pieces.push(h("span.cut-mark", { text: "cut off here" }));
        }
        pieces.push(h(`${fate === "cut" ? "s" : "span"}.${fate}`, { text }), " ");
      }
      this.#reply.replaceChildren(...pieces);
    }
    const ended = turn.state === "ended";
    const wrong =
      turn.problem || (ended && !turn.reply.length ? (PROBLEM[turn.outcome] ?? "") : "");
    setText(this.#problem, wrong);
    this.#problem.hidden = !wrong;
  }

  #showStep({ name, state, seconds }, turn) {
    const { row, time, label } = this.#steps[name];
    row.dataset.state = state;
    if (name === "heard") setText(label, isTyped(turn) ? "Typed" : STEP_WORDS.heard);
    if (name === "answered" && turn.announcement) setText(label, "Words");
    setText(time, state === "done" && seconds !== null ? duration(seconds) : "");
    setAttribute(row, "title", state === "active" ? WORKING[name] : null);
  }

  #toggleWaterfall() {
    const open = this.#place.hidden;
    this.#place.hidden = !open;
    this.#more.setAttribute("aria-expanded", String(open));
    if (open) {
      this.#waterfall = new Waterfall();
      this.#waterfall.update(this.#turn);
      this.#place.append(this.#waterfall.el);
      this.#place.scrollIntoView({ block: "nearest" });
    } else {
      this.#waterfall = null;
      this.#place.replaceChildren();
    }
  }

  #replay(button, which) {
    toggleReplay(button, `/api/turns/${encodeURIComponent(this.#turn.id)}/${which}.wav`);
  }
}

function replayButton(text, label) {
  return h(
    "button.quiet.replay",
    { hidden: true, "aria-label": label, "aria-pressed": "false" },
    icon("play"),
    text,
  );
}
