/* The websocket to the hub: comes back by itself, into the same room. */

const FIRST_RETRY = 250; // ms
const LONGEST_RETRY = 5000;
const SLOW_RETRY = 15000; // where the hub said no
const SILENCE = 12000; // ms without a word from the hub, which says one every 4 s
const LOOK = 3000;
const MOST_BEHIND = 128 * 1024; // bytes that wait to be sent: 4 s of sound; more is dropped

/* Calls `onEvent(type, data)`, `onSound(ArrayBuffer)`, and `onClosed` when a connection has ended. */
export class Link {
  #socket = null;
  #timer = 0;
  #watch = 0;
  #delay = FIRST_RETRY;
  #last = 0; // when the hub said something
  #wanted = false;

  constructor({ address, onEvent, onSound, onClosed }) {
    this.address = address; // a function: the room's name may have changed
    this.onEvent = onEvent;
    this.onSound = onSound;
    this.onClosed = onClosed;
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /* Connect, and keep connected; or try again now. */
  connect() {
    if (!this.#wanted) {
      this.#wanted = true;
      this.#watch = setInterval(() => this.#look(), LOOK);
      addEventListener("online", this.#now);
      document.addEventListener("visibilitychange", this.#now);
    }
    this.#now();
  }

  /* The hub is there again: do not wait any longer. */
  hurry() {
    this.#now();
  }

  /* Stay away until `connect`. */
  disconnect() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    removeEventListener("online", this.#now);
    document.removeEventListener("visibilitychange", this.#now);
    this.#socket?.close();
  }

  /* The hub has no place: do not try so soon again. */
  slowDown() {
    this.#delay = SLOW_RETRY;
  }

  /* All is well: what fails next is tried again soon. */
  accepted() {
    this.#delay = FIRST_RETRY;
  }

  send(type, data = {}) {
    if (this.isOpen) this.#socket.send(JSON.stringify({ type, data }));
  }

  sendSound(samples) {
    if (this.isOpen && this.#socket.bufferedAmount < MOST_BEHIND) this.#socket.send(samples);
  }

  #now = () => {
    if (this.#wanted && !this.#socket) this.#open();
  };

  #open() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const socket = new WebSocket(this.address());
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#last = performance.now();
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#last = performance.now();
      if (typeof data !== "string") return this.onSound(data);
      const event = JSON.parse(data);
      this.onEvent(event.type, event.data ?? {});
    };
    socket.onclose = () => this.#closed(socket);
  }

  #closed(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.onClosed();
    if (!this.#wanted) return;
    const wait = this.#delay * (0.8 + 0.4 * Math.random());
    this.#delay = Math.max(this.#delay, Math.min(2 * this.#delay, LONGEST_RETRY));
    this.#timer = setTimeout(() => this.#open(), wait);
  }

  /* A hub that vanished does not hang up. */
  #look() {
    const socket = this.#socket;
    if (!socket || performance.now() - this.#last < SILENCE) return;
    socket.onclose = socket.onmessage = null;
    socket.close();
    this.#closed(socket);
  }
}
