/* What a turn's spans and moments mean: its steps, its rows, its figures. */

/** The rows of a waterfall, in order. */
export const STAGES = [
  ["speech", "They speak", "what is said, from first to last word"],
  ["transcribe", "Transcribe", "speech to text"],
  ["end_of_turn", "Finished?", "a model tells whether who pauses has finished"],
  ["choose", "Choose", "the language model chooses what is to be done"],
  ["write", "Write", "the language model writes the answer"],
  ["act", "Act", "what was asked for is done"],
  ["speak", "Speak", "text to speech"],
  ["gate", "Hold back", "the answer waits until it is sure that they have finished"],
  ["play", "Play", "what is heard"],
];

const NAMES = new Map(STAGES.map(([stage, name]) => [stage, name]));

/** A stage's name; one that is not known is called as the hub calls it. */
export const stageName = (stage) => NAMES.get(stage) ?? stage.replaceAll("_", " ");

/** The moments that are drawn over a waterfall. */
export const MARKS = [
  ["speech_end", "last word"],
  ["end_of_turn", "turn over"],
  ["first_audio", "first sound"],
];

/** When the first sound of the answer was heard, or else sent; null before. */
export function firstAudio(turn) {
  return turn.marks.first_audio_played ?? turn.marks.first_audio_sent ?? null;
}

/** When the last word was said, or what was typed was sent. */
export function asked(turn) {
  const { speech_end: end, end_of_turn: over = 0 } = turn.marks;
  return end ?? over;
}

/** Seconds from the last word, or from when it was sent, to the first sound; null without one. */
export function answerTime(turn) {
  const first = firstAudio(turn);
  if (first === null || turn.announcement) return null;
  return first - asked(turn);
}

/** When it was over, in seconds since it began; what is known so far where it goes on. */
export function length(turn) {
  let last = 0;
  for (const moment of Object.values(turn.marks)) last = Math.max(last, moment);
  for (const span of turn.spans) last = Math.max(last, span.end ?? span.begin);
  return last;
}

/** Seconds that the work of some stages took; null where there was none, NaN while it goes on. */
export function busy(turn, ...stages) {
  const counted = turn.spans.filter((span) => stages.includes(span.stage) && !span.dropped);
  if (!counted.length) return null;
  if (counted.some((span) => span.end === null) && turn.state !== "ended") return NaN;
  // Overlapping work counts once.
  let [sum, until] = [0, -Infinity];
  for (const { begin, end } of [...counted].sort((one, other) => one.begin - other.begin)) {
    const last = end ?? begin;
    if (last <= until) continue;
    sum += last - Math.max(begin, until);
    until = last;
  }
  return sum;
}

/** All that was answered, whether it was heard or not. */
export const replyOf = (turn) => turn.reply.map((clause) => clause.text).join(" ");

/** Whether it was typed, and not said. */
export function isTyped(turn) {
  const { marks } = turn;
  return !turn.announcement && marks.speech_start === undefined && !!turn.said;
}

/**
 * The steps of a turn in order: {name, state: "waiting" | "active" | "done" | "none", seconds}.
 */
export function steps(turn) {
  const ended = turn.state === "ended";
  const written = turn.reply.length > 0 && (ended || turn.announcement);
  const parts = [
    ["heard", !!turn.said || isTyped(turn), ["transcribe"]],
    ["understood", turn.reply.length > 0 || !!turn.intent, ["end_of_turn", "choose"]],
    ["answered", turn.marks.last_token !== undefined || written, ["write", "act"]],
    ["spoken", ended && !!turn.heard, ["speak"]],
  ];
  let before = true;
  return parts.map(([name, certain, stages]) => {
    const seconds = busy(turn, ...stages);
    const running = Number.isNaN(seconds);
    let state = "waiting";
    if (ended) state = seconds !== null || certain ? "done" : "none";
    else if (certain && !running) state = "done";
    else if (running) state = "active";
    else if (seconds !== null && name !== "heard") state = "done";
    else if (before) state = "active";
    before = state === "done";
    return { name, state, seconds: running ? null : seconds };
  });
}

/** What kind of thing was understood, in a few words. */
export function understood(turn) {
  if (turn.announcement) return "announcement";
  if (turn.intent) return `a command: ${words(turn.intent)}`;
  if (turn.outcome === "nothing-said") return "nothing to answer";
  if (turn.outcome === "stopped") return "stop";
  const answered = turn.reply.length || turn.marks.first_token !== undefined;
  return answered && (turn.said || turn.partial) ? "a question, for the language model" : "";
}

/* "HassTurnOn" or "timer_start" as words */
function words(intent) {
  const spaced = intent
    .replace(/^Hass/, "")
    .replace(/[_-]+/g, " ")
    .replace(/([a-z])([A-Z])/g, "$1 $2");
  return spaced.toLowerCase();
}

/**
 * How much of a reply was heard, clause by clause: [{text, fate}], fate being "heard", "sent"
 * (not yet heard), "written" (not yet sent) or "cut" (never heard). A clause that was cut off in
 * its middle is two.
 */
export function fates(turn) {
  const ended = turn.state === "ended";
  const whole = ended && turn.outcome === "answered";
  let left = squeeze(turn.heard);
  const told = [];
  for (const { text, sent } of turn.reply) {
    const bare = squeeze(text);
    if (whole || (bare && left.startsWith(bare))) {
      told.push({ text, fate: "heard" });
      left = left.slice(bare.length);
      continue;
    }
    const heard = left ? common(text, left) : 0;
    left = "";
    if (heard) told.push({ text: text.slice(0, heard), fate: "heard" });
    const rest = text.slice(heard);
    if (rest) told.push({ text: rest, fate: ended ? "cut" : sent ? "sent" : "written" });
  }
  return told;
}

/* Without spaces, in which the text that was written and that which was heard may differ. */
const squeeze = (text) => text.replace(/\s+/g, "");

/* How many letters of `text` agree with `squeezed`, which has no spaces. */
function common(text, squeezed) {
  let [at, matched] = [0, 0];
  while (at < text.length && matched < squeezed.length) {
    if (/\s/.test(text[at])) at += 1;
    else if (text[at] === squeezed[matched]) [at, matched] = [at + 1, matched + 1];
    else break;
  }
  return matched ? at : 0;
}
