/* Where the time of a turn went: a row for each stage, a bar for each piece of work. */

import { h, setText } from "./dom.js";
import { duration } from "./format.js";
import {
  MARKS,
  STAGES,
  answerTime,
  asked,
  firstAudio,
  isTyped,
  length,
  stageName,
} from "./stages.js";

const BEFORE = 0.8; // seconds before the last word that the close view shows
const AFTER = 0.6; // seconds behind the first sound
const LEAST = 1.0; // seconds across, at least

/** A waterfall that follows its turn; `el` is to be put somewhere, `update(turn)` draws. */
export class Waterfall {
  #turn = null;
  #whole = false;
  #rows = h("div.wf-rows");
  #axis = h("div.wf-axis", { "aria-hidden": "true" });
  #detail = h("p.wf-detail", { "aria-live": "off" });
  #table = h("ul.unseen");
  #close = h("button", { text: "To the first sound", "aria-pressed": "true" });
  #all = h("button", { text: "Whole turn", "aria-pressed": "false" });

  constructor() {
    this.el = h(
      "figure.waterfall",
      {},
      h(
        "figcaption.wf-head",
        {},
        this.#detail,
        h(
          "div.segmented.wf-ranges",
          { role: "group", "aria-label": "Range" },
          this.#close,
          this.#all,
        ),
      ),
      h("div.wf-plot", { "aria-hidden": "true" }, this.#rows, this.#axis),
      h(
        "p.wf-legend",
        { "aria-hidden": "true" },
        h(
          "span",
          {},
          h("i.wf-sample.speculative"),
          "begun before it was sure that they had finished",
        ),
        h("span", {}, h("i.wf-sample.dropped"), "thrown away"),
      ),
      this.#table,
    );
    this.#close.addEventListener("click", () => this.#show(false));
    this.#all.addEventListener("click", () => this.#show(true));
    this.#rows.addEventListener("pointerover", (event) => this.#explain(event.target));
    this.#rows.addEventListener("pointerleave", () => this.#explain(null));
  }

  #show(whole) {
    this.#whole = whole;
    this.#close.setAttribute("aria-pressed", String(!whole));
    this.#all.setAttribute("aria-pressed", String(whole));
    if (this.#turn) this.update(this.#turn);
  }

  update(turn) {
    this.#turn = turn;
    const [from, to] = this.#range(turn);
    const place = (seconds) => `${(100 * (seconds - from)) / (to - from)}%`;
    const rows = STAGES.map(([stage]) => stage);
    for (const span of turn.spans) if (!rows.includes(span.stage)) rows.push(span.stage);
    this.#rows.replaceChildren(
      this.#waiting(turn, place),
      ...rows.map((stage) => row(stage, turn, from, to, place)),
      h("div.wf-marks", {}, ...marks(turn, from, to, place)),
    );
    this.#axis.replaceChildren(...ticks(from, to, asked(turn), place));
    this.#table.replaceChildren(
      ...turn.spans.map((span) => h("li", { text: `${stageName(span.stage)}: ${told(span)}` })),
    );
    this.#explain(null);
  }

  /* From the last word to the first sound: what somebody waits. */
  #waiting(turn, place) {
    const style = { "--from": place(asked(turn)), "--to": place(firstAudio(turn) ?? 0) };
    return h("div.wf-under", {}, h("div.wf-wait", { hidden: answerTime(turn) === null, style }));
  }

  #range(turn) {
    const last = Math.max(length(turn), LEAST);
    const first = firstAudio(turn);
    if (this.#whole) return [0, last * 1.02];
    const from = Math.max(0, asked(turn) - BEFORE);
    const to = first === null ? last : Math.min(last, first + AFTER);
    return [from, Math.max(to, from + LEAST)];
  }

  #explain(target) {
    const bar = target?.closest?.(".wf-bar");
    if (bar) return setText(this.#detail, bar.title);
    const waited = answerTime(this.#turn);
    setText(
      this.#detail,
      waited === null ? "" : `${duration(waited)} from ${lastOf(this.#turn)} to the first sound`,
    );
  }
}

/* Where a bar is, and its colour. */
const barStyle = (stage, from, to) => ({
  "--from": from,
  "--to": to,
  "--stage": `var(--stage-${stage}, var(--ink-3))`,
});

const lastOf = (turn) => (isTyped(turn) ? "the question" : "the last word");

function row(stage, turn, from, to, place) {
  const track = h("div.wf-track");
  const spans = turn.spans.filter((span) => span.stage === stage);
  const now = length(turn);
  for (const span of spans) {
    const end = span.end ?? now;
    if (end < from || span.begin > to) continue;
    const bar = h("div.wf-bar", {
      title: `${stageName(stage)}: ${told(span)}`,
      style: barStyle(stage, place(Math.max(span.begin, from)), place(Math.min(end, to))),
    });
    bar.classList.toggle("dropped", span.dropped);
    bar.classList.toggle("speculative", span.speculative);
    bar.classList.toggle("running", span.end === null && turn.state !== "ended");
    bar.classList.toggle("goes-on", end > to);
    track.append(bar);
  }
  const element = h("div.wf-row", {}, h("span.wf-name", { text: stageName(stage) }), track);
  element.classList.toggle("empty", !spans.length);
  return element;
}

function marks(turn, from, to, place) {
  const made = [];
  for (const [mark, name] of MARKS) {
    const moment = mark === "first_audio" ? firstAudio(turn) : turn.marks[mark];
    if (moment === undefined || moment === null || moment < from || moment > to) continue;
    made.push(
      h(`div.wf-mark.${mark}`, { style: { "--at": place(moment) } }, h("span", { text: name })),
    );
  }
  return made;
}

/* Ticks are told from the last word on: that is what somebody waits from. */
function ticks(from, to, zero, place) {
  const width = to - from;
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60].find((one) => width / one <= 8) ?? 60;
  const made = [];
  for (let at = Math.ceil((from - zero) / step); at * step + zero <= to; at += 1) {
    const moment = at * step;
    const text = `${moment > 0 ? "+" : ""}${moment.toFixed(step < 1 ? 1 : 0).replace("-", "−")} s`;
    made.push(h("span", { text: at === 0 ? "0" : text, style: { "--at": place(moment + zero) } }));
  }
  return made;
}

function told(span) {
  const parts = [span.end === null ? "goes on" : duration(span.end - span.begin)];
  if (span.detail) parts.push(span.detail);
  if (span.speculative) parts.push("begun ahead of time");
  if (span.dropped) parts.push("thrown away");
  return parts.join(", ");
}

/** A waterfall of one line, for tables: what was done between the last word and the first sound. */
export function sparkline(turn) {
  const from = asked(turn);
  const to = Math.max(firstAudio(turn) ?? length(turn), from + 0.001);
  const place = (seconds) =>
    `${(100 * (Math.min(Math.max(seconds, from), to) - from)) / (to - from)}%`;
  const line = h("div.spark", { "aria-hidden": "true" });
  for (const span of turn.spans) {
    const unseen = span.dropped || ["gate", "speech", "play"].includes(span.stage);
    if (unseen || span.begin >= to || (span.end ?? to) <= from) continue;
    line.append(h("i", { style: barStyle(span.stage, place(span.begin), place(span.end ?? to)) }));
  }
  return line;
}
