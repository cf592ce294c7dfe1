/* Hands on what the microphone hears, mixed to one channel, in pieces of some 10 ms. */

const PIECE = 512; // samples

class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(PIECE);
    this.filled = 0;
    this.open = true;
    this.port.onmessage = () => {
      this.open = false;
    };
  }

  process([channels]) {
    if (!this.open) return false;
    const length = channels[0]?.length ?? 0; // none where the microphone is gone
    for (let i = 0; i < length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.piece[this.filled++] = sum / channels.length;
      if (this.filled === PIECE) {
        this.port.postMessage(this.piece.buffer, [this.piece.buffer]);
        this.piece = new Float32Array(PIECE);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("parlour-microphone", Tap);
