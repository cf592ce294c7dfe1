/* What can be set in a room: how loud it is, its microphone, its wake words, a new conversation. */

import { attempt } from "./notices.js";
import { patch, post, roomPath } from "./api.js";
import { h, setText } from "./dom.js";

const PACE = 150; // ms between volumes while the slider is drawn

/** Begin a new conversation there, and say so. */
export function forget(room) {
  void attempt(() => post(`${roomPath(room)}/forget`), "A new conversation begins.");
}

export class RoomControls {
  #room = null;
  #sliding = false;
  #timer = 0;
  #mute = h("button.quiet", { "aria-pressed": "false" });
  #volume = h("input", { type: "range", min: "0", max: "100", step: "1", id: "room-volume" });
  #loud = h("output.volume-figure", { for: "room-volume" });
  #volumeField = h(
    "div.control.volume",
    {},
    h("label", { for: "room-volume", text: "Volume" }),
    this.#volume,
    this.#loud,
  );
  #words = h("fieldset.control.wake-words", {}, h("legend", { text: "Wake words" }));
  #wordsShown = "";
  #fresh = h("button.quiet", { text: "New conversation" });

  constructor() {
    this.el = h("div.room-controls", {}, this.#mute, this.#fresh, this.#volumeField, this.#words);
    this.#mute.addEventListener("click", () => void this.#set({ muted: !this.#room.muted }));
    this.#fresh.addEventListener("click", () => forget(this.#room.name));
    this.#volume.addEventListener("input", () => this.#slide());
    this.#volume.addEventListener("change", () => {
      clearTimeout(this.#timer);
      this.#timer = 0;
      this.#sliding = false;
      void this.#set({ volume: Number(this.#volume.value) / 100 });
    });
  }

  update(room) {
    this.#room = room;
    const can = (what) => room.controls.includes(what) && room.state !== "offline";
    this.#mute.hidden = !can("mute");
    this.#mute.setAttribute("aria-pressed", String(Boolean(room.muted)));
    setText(this.#mute, room.muted ? "Unmute the microphone" : "Mute the microphone");
    this.#volumeField.hidden = !can("volume");
    if (!this.#sliding && room.volume !== null) {
      this.#volume.value = String(Math.round(room.volume * 100));
      setText(this.#loud, `${this.#volume.value} %`);
    }
    this.#words.hidden = !can("wake-words") || !room.wake_words.length;
    this.#showWords(room.wake_words);
  }

  dispose() {
    clearTimeout(this.#timer);
  }

  #showWords(words) {
    const shown = JSON.stringify(words);
    if (shown === this.#wordsShown) return;
    this.#wordsShown = shown;
    const inputs = words.map(({ name, phrase, active }) => {
      const input = h("input", { type: "checkbox", value: name });
      input.checked = active;
      input.addEventListener("change", () => this.#chooseWords());
      return h("label.check", {}, input, h("span", { text: phrase }));
    });
    this.#words.replaceChildren(this.#words.firstElementChild, ...inputs);
  }

  #chooseWords() {
    const chosen = [...this.#words.querySelectorAll("input:checked")].map((input) => input.value);
    void this.#set({ wake_words: chosen });
  }

  #slide() {
    this.#sliding = true;
    setText(this.#loud, `${this.#volume.value} %`);
    if (this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      void this.#set({ volume: Number(this.#volume.value) / 100 });
    }, PACE);
  }

  async #set(values) {
    const { name } = this.#room;
    if (!(await attempt(() => patch(roomPath(name), values)))) this.#wordsShown = "";
    if (this.#room.name === name) this.update(this.#room); // what did not work goes back
  }
}
