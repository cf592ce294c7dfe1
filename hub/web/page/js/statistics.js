/* How long things took over the last hours: the half of all turns, and nearly all of them. */

import { get } from "./api.js";
import { h, setText } from "./dom.js";
import { counted, duration } from "./format.js";

const HOURS = [
  [1, "1 h"],
  [24, "24 h"],
  [168, "7 days"],
];
/* The hub names what lies between two moments; it has the colour of what is done there. */
const COLOURS = [
  ["to transcript", "transcribe"],
  ["to end of turn", "end_of_turn"],
  ["to first token", "write"],
  ["to first clause", "write"],
  ["clause to sound", "speak"],
  ["to sent", "gate"],
  ["to played", "play"],
];
const PACE = 30_000; // ms between looks
const SETTLE = 1_500; // ms after a turn's end in which the store writes it down

export class Statistics {
  #hours = 24;
  #timer = 0;
  #soon = 0;
  #gone = false;
  #half = h("strong.big-figure", { text: "–" });
  #most = h("strong.big-figure", { text: "–" });
  #count = h("p.stat-count", { text: " " });
  #rows = h("tbody");
  #ranges = h("div.segmented", { role: "group", "aria-label": "Over the last" });

  constructor() {
    for (const [hours, text] of HOURS) {
      const button = h("button", { text, "aria-pressed": String(hours === this.#hours) });
      button.addEventListener("click", () => this.#choose(hours, button));
      this.#ranges.append(button);
    }
    const figure = (value, label) => h("div.figure-block", {}, value, h("span", { text: label }));
    this.el = h(
      "section.statistics",
      { "aria-labelledby": "statistics-title" },
      h(
        "header.section-head",
        {},
        h("h2", { id: "statistics-title", text: "From last word to first sound" }),
        this.#ranges,
      ),
      h(
        "div.big-figures",
        {},
        figure(this.#half, "half of all turns"),
        figure(this.#most, "95 of 100"),
      ),
      this.#count,
      h(
        "details.stage-details",
        { open: matchMedia("(min-width: 72.01rem)").matches },
        h("summary", { text: "Stage by stage" }),
        h(
          "table.stage-table",
          {},
          h("caption.unseen", { text: "How long each stage took" }),
          h(
            "thead",
            {},
            h("tr", {}, ...["", "p50", "p95"].map((text) => h("th", { scope: "col", text }))),
          ),
          this.#rows,
        ),
      ),
    );
    this.refresh();
    this.#timer = setInterval(() => this.refresh(), PACE);
  }

  /** Look again soon: a turn has ended. */
  turnEnded() {
    if (!this.#soon) this.#soon = setTimeout(() => this.refresh(), SETTLE);
  }

  dispose() {
    this.#gone = true;
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
  }

  async refresh() {
    this.#soon = 0;
    if (document.hidden) return;
    const hours = this.#hours;
    try {
      const told = await get(`/api/statistics?hours=${hours}`);
      if (!this.#gone && hours === this.#hours) this.#show(told);
    } catch (problem) {
      if (!this.#gone) setText(this.#count, problem.message);
    }
  }

  #choose(hours, chosen) {
    this.#hours = hours;
    for (const button of this.#ranges.children)
      button.setAttribute("aria-pressed", String(button === chosen));
    void this.refresh();
  }

  #show({ turns, failed, stages, answer }) {
    setText(this.#half, duration(answer?.p50));
    setText(this.#most, duration(answer?.p95));
    const bad = failed ? `, ${failed} of them failed` : "";
    setText(this.#count, turns ? counted(turns, "turn") + bad : "No turn yet");
    const every = Object.entries(stages);
    const longest = Math.max(0.001, ...every.map(([, stage]) => stage.p95));
    this.#rows.replaceChildren(
      ...every.map(([name, { p50, p95, count }]) => {
        const stage = COLOURS.find(([words]) => name.includes(words))?.[1] ?? "gate";
        const style = {
          "--p50": `${(100 * p50) / longest}%`,
          "--p95": `${(100 * p95) / longest}%`,
          "--stage": `var(--stage-${stage})`,
        };
        const bars = h("div.range-bar", { "aria-hidden": "true", style }, h("i.most"), h("i.half"));
        const title = counted(count, "time");
        const cells = [
          h("th", { scope: "row", title }, h("span", { text: name }), bars),
          h("td.number", { text: duration(p50) }),
          h("td.number", { text: duration(p95) }),
        ];
        return h("tr", {}, ...cells);
      }),
    );
  }
}
