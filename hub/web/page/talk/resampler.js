/* Streaming resampling of mono sound: a windowed-sinc low-pass, evaluated where samples are wanted.

   Polyphase, after J. O. Smith, "Digital Audio Resampling" (https://ccrma.stanford.edu/~jos/resample/),
   with a Kaiser window: 80 dB down from half the lower of the two rates on. */

const ZEROS = 24; // zero crossings on each side
const BETA = 8;
const ROLL_OFF = 0.89; // of half the lower rate, where it is 6 dB down

export class Resampler {
  /* Rates in Hz. */
  constructor(from, to) {
    const divisor = gcd(from, to);
    this.up = to / divisor;
    this.down = from / divisor;
    this.same = from === to;
    this.half = 0; // samples of the source on each side of a wanted one
    this.filters = this.same ? [] : this.#filters();
    this.reset();
  }

  /* Forget what was heard: what comes next does not follow on from it. */
  reset() {
    this.pending = new Float32Array(this.half); // silence before the first sample
    this.position = 0; // of the next wanted sample, in 1/up samples behind pending[half]
  }

  /* Return what can be made of `samples` and those before. */
  process(samples) {
    if (this.same) return samples;
    const input = new Float32Array(this.pending.length + samples.length);
    input.set(this.pending);
    input.set(samples, this.pending.length);
    // The last sample that has all of its neighbours is input[input.length - 1 - half].
    const last = (input.length - 1 - 2 * this.half) * this.up;
    const count = last < this.position ? 0 : Math.floor((last - this.position) / this.down) + 1;
    const output = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const begin = Math.floor(this.position / this.up);
      const filter = this.filters[this.position % this.up];
      let sum = 0;
      for (let k = 0; k < filter.length; k++) sum += filter[k] * input[begin + k];
      output[i] = sum;
      this.position += this.down;
    }
    const used = Math.min(Math.floor(this.position / this.up), input.length - 2 * this.half);
    this.pending = input.slice(Math.max(0, used));
    this.position -= Math.max(0, used) * this.up;
    return output;
  }

  /* Return what is left, as if silence came behind it; begin anew. */
  flush() {
    const rest = this.same ? new Float32Array(0) : this.process(new Float32Array(this.half));
    this.reset();
    return rest;
  }

  #filters() {
    const lower = Math.min(1, this.up / this.down);
    const cutoff = lower * ROLL_OFF; // 1 is half the source's rate
    this.half = Math.ceil(ZEROS / lower);
    const filters = [];
    for (let phase = 0; phase < this.up; phase++) {
      const filter = new Float32Array(2 * this.half + 1);
      let sum = 0;
      for (let k = 0; k < filter.length; k++) {
        const x = k - this.half - phase / this.up;
        filter[k] = cutoff * sinc(cutoff * x) * kaiser(x / (this.half + 1));
        sum += filter[k];
      }
      for (let k = 0; k < filter.length; k++) filter[k] /= sum; // the same loudness in each phase
      filters.push(filter);
    }
    return filters;
  }
}

/* 16-bit samples of numbers from -1 to 1. */
export function toInt16(samples) {
  const result = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i++)
    result[i] = Math.max(-32768, Math.min(32767, Math.round(samples[i] * 32768)));
  return result;
}

/* Numbers from -1 to 1 of 16-bit samples, the channels mixed. */
export function toFloat32(samples, channels) {
  const result = new Float32Array(Math.floor(samples.length / channels));
  for (let i = 0; i < result.length; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += samples[i * channels + c];
    result[i] = sum / (32768 * channels);
  }
  return result;
}

function gcd(a, b) {
  return b ? gcd(b, a % b) : a;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/* The window, from -1 to 1. */
function kaiser(x) {
  return Math.abs(x) >= 1 ? 0 : bessel(BETA * Math.sqrt(1 - x * x)) / bessel(BETA);
}

/* The modified Bessel function of order zero. */
function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; k < 40; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
