/* What the hub waits for before it can answer: engine by engine, not a blind wait. */

import { h, reconcile, setText } from "./dom.js";
import { ROLES, STATE_WORDS, sortedEngines } from "./format.js";

export class Loading {
  #rows = new Map();
  #list = h("ul.loading-list");
  #title = h("p.greeting");
  #more = h("p.greeting-more");

  constructor() {
    this.el = h(
      "div.loading",
      { hidden: true, role: "status" },
      this.#title,
      this.#more,
      this.#list,
    );
  }

  /** Show how far the engines are, as long as it `waits` for one of them. */
  update(waits, live) {
    this.el.hidden = !waits;
    const needed = waits ? sortedEngines(live).filter((engine) => engine.needed) : [];
    const failed = needed.some((engine) => engine.state === "failed");
    setText(this.#title, failed ? "It can't answer yet" : "Nearly ready");
    setText(
      this.#more,
      failed
        ? "Something is missing; below it says what to do. It is tried again by itself."
        : "The models are loading. That takes some seconds, once.",
    );
    reconcile(
      this.#list,
      needed,
      (engine) => engine.role,
      () => row(),
      this.#rows,
    );
  }
}

function row() {
  const name = h("span.loading-name");
  const state = h("span.loading-state");
  const problem = h("p.problem");
  const todo = h("p.loading-todo");
  const el = h("li", {}, h("span.lamp"), name, state, problem, todo);
  return {
    el,
    update: (engine) => {
      el.dataset.state = engine.state;
      setText(name, ROLES[engine.role]?.[0] ?? engine.role);
      setText(state, STATE_WORDS[engine.state]);
      setText(problem, engine.reason);
      setText(todo, engine.todo);
      problem.hidden = !engine.reason;
      todo.hidden = !engine.todo;
    },
  };
}
