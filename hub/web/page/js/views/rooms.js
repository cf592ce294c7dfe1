/* Rooms: which there are, what goes on in the one that is chosen, and what to send them. */

import { Conversation } from "../conversation.js";
import { h, setText } from "../dom.js";
import { STATE_WORDS } from "../format.js";
import { RoomControls } from "../room_controls.js";
import { RoomList, isClosedTab, sortedRooms } from "../room_list.js";
import { AnnounceForm, TimerForm, TimerList } from "../timers.js";

export class RoomsView {
  #wanted = "";
  #name = h("h1", { id: "room-title" });
  #state = h("span.room-state");
  #head = h(
    "header.section-head",
    {},
    h("a.back", { href: "#/rooms", text: "All rooms" }),
    this.#name,
    this.#state,
  );
  #none = h("p.nothing", {
    text: "No room is connected. Start a satellite, or talk from this page: it is a room, too.",
  });

  constructor({ live, talk, signal }) {
    this.live = live;
    this.talk = talk;
    this.list = new RoomList(live);
    this.controls = new RoomControls();
    this.conversation = new Conversation(live, { empty: "Nothing was said here yet." });
    this.timers = new TimerList(live);
    this.timer = new TimerForm();
    this.announce = new AnnounceForm();
    this.room = h(
      "section.room-open",
      { "aria-labelledby": "room-title" },
      this.#head,
      this.controls.el,
      this.conversation.el,
    );
    this.el = h(
      "div.rooms-view",
      {},
      h("section.rooms-side", { "aria-label": "Rooms" }, h("h2", { text: "Rooms" }), this.list.el),
      this.room,
      this.#none,
      h(
        "aside.house",
        { "aria-label": "Timers and announcements" },
        h("h2", { text: "Announce" }),
        this.announce.el,
        h("h2", { text: "Timers" }),
        this.timers.el,
        this.timer.el,
      ),
    );
    live.addEventListener("level", ({ detail }) => this.list.level(detail), { signal });
  }

  show(name) {
    this.#wanted = name;
    this.el.dataset.open = name ? "room" : "list";
    this.update({ all: true, turns: new Set() });
    if (this.live.rooms.has(name)) this.timer.choose(name);
  }

  update(change) {
    const rooms = sortedRooms(this.live);
    const chosen = this.live.rooms.get(this.#wanted) ?? rooms[0];
    if (change.all || change.rooms || change.turns.size)
      this.list.update(this.talk.room, chosen?.name ?? "");
    if (change.all || change.rooms) {
      const heard = rooms.filter((room) => room.kind !== "text" && !isClosedTab(room));
      const names = heard.map((room) => room.name);
      this.timer.update(names);
      this.announce.update(names);
    }
    if (change.all || change.timers) this.timers.update();
    this.room.hidden = !chosen;
    this.#none.hidden = Boolean(chosen);
    if (!chosen) return;
    setText(this.#name, chosen.name);
    setText(this.#state, STATE_WORDS[chosen.state]);
    this.room.dataset.state = chosen.state;
    if (change.all || change.rooms) this.controls.update(chosen);
    if (change.all || change.rooms || change.turns.size || change.conversations.size)
      this.conversation.show(chosen.name);
  }

  dispose() {
    this.conversation.clear();
    this.controls.dispose();
    this.timers.dispose();
  }
}
