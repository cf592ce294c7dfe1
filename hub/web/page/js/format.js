/* Numbers and times, as people read them. */

/** Milliseconds below one second, else seconds: "84 ms", "1.32 s", "12.4 s". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  return `${seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`;
}

/** A clock that runs: "4:05", "1:02:09". */
export function countdown(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = String(whole % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** "1 turn", "2 turns" */
export const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const CLOCK_SECONDS = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** The time of day, with the day where it is not today; `epoch` in seconds. */
export function clock(epoch, seconds = false) {
  const date = new Date(epoch * 1000);
  const time = (seconds ? CLOCK_SECONDS : CLOCK).format(date);
  const today = new Date().toDateString() === date.toDateString();
  return today ? time : `${DAY.format(date)}, ${time}`;
}

/** For the `datetime` attribute. */
export function machineTime(epoch) {
  return new Date(epoch * 1000).toISOString();
}

/** "5 minutes", "1 minute 30 seconds" */
export function spoken(seconds) {
  const parts = [];
  const whole = Math.round(seconds);
  for (const [unit, size, of] of [
    ["hour", 3600, Infinity],
    ["minute", 60, 60],
    ["second", 1, 60],
  ]) {
    const count = Math.floor(whole / size) % of;
    if (count) parts.push(counted(count, unit));
  }
  return parts.join(" ") || "0 seconds";
}

/** Read "5", "5m", "90 s", "1h 30m", "4:30" as seconds; bare numbers are minutes. NaN if it is none. */
export function parseDuration(text) {
  const trimmed = text.trim().toLowerCase();
  const clockLike = /^(?:(\d+):)?(\d{1,3}):(\d{2})$/.exec(trimmed);
  if (clockLike) {
    const [, hours, minutes, seconds] = clockLike;
    return Number(hours ?? 0) * 3600 + Number(minutes) * 60 + Number(seconds);
  }
  if (/^\d+([.,]\d+)?$/.test(trimmed)) return Number(trimmed.replace(",", ".")) * 60;
  const parts = [...trimmed.matchAll(/(\d+(?:\.\d+)?)\s*([hms])[a-z]*/g)];
  if (!parts.length || trimmed.replace(/(\d+(?:\.\d+)?)\s*([hms])[a-z]*/g, "").trim()) return NaN;
  const size = { h: 3600, m: 60, s: 1 };
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * size[unit], 0);
}

export const STATE_WORDS = {
  idle: "Idle",
  listening: "Listening",
  thinking: "Thinking",
  speaking: "Speaking",
  muted: "Muted",
  offline: "Offline",
  loading: "Loading",
  ready: "Ready",
  failed: "Failed",
};

const OUTCOME_WORDS = {
  answered: "Answered",
  stopped: "Stopped",
  "nothing-said": "Nothing said",
  interrupted: "Interrupted",
  gone: "Hung up",
  failed: "Failed",
};

/** How a turn ended, in words. */
export function ending(turn) {
  if (turn.announcement && turn.outcome === "answered") return "Announcement";
  return OUTCOME_WORDS[turn.outcome] ?? turn.outcome;
}
