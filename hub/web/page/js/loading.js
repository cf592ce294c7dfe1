/* What the hub waits for before it can answer: engine by engine, not a blind wait. */

import { h, reconcile, setText } from "./dom.js";
import { ROLES, rolesOf } from "./engines.js";
import { STATE_WORDS } from "./format.js";

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
    const needed = waits ? rolesOf(live).filter((one) => one.needed) : [];
    const failed = needed.some((one) => one.state === "failed");
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
      ({ role }) => role,
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
    update: (one) => {
      // What is wrong with one of two is no problem while the other comes or works.
      const troubled = one.state === (one.chosen ?? one.standIn).state;
      const { reason, todo: advice } = troubled ? (one.chosen ?? one.standIn) : { reason: "", todo: "" };
      el.dataset.state = one.state;
      setText(name, ROLES[one.role]?.[0] ?? one.role);
      setText(state, STATE_WORDS[one.state]);
      setText(problem, reason);
      setText(todo, advice);
      problem.hidden = !reason;
      todo.hidden = !advice;
    },
  };
}
