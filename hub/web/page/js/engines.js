/* Engines: what each is called, and how their roles stand. A role may have a stand-in, which works
 * while the one that was chosen cannot. */

/** By role: what it is called, what it does, and what a stand-in does of it. */
export const ROLES = {
  vad: ["Voice activity", "hears that somebody speaks", "works"],
  stt: ["Speech to text", "writes down what they say", "listens"],
  turn: ["End of turn", "tells whether they have finished", "works"],
  llm: ["Language model", "writes the answer", "answers"],
  tts: ["Voice", "speaks it", "speaks"],
  wake: ["Wake words", "for rooms that listen for none themselves", "works"],
};

/** What tells an engine from the others. */
export const engineKey = ({ role, standby }) => (standby ? `${role} stand-in` : role);

/** The first part of a name: "hibari" of "hibari · heart". */
const shortName = ({ name }) => name.split(" · ")[0];

/**
 * The roles in the order in which a turn meets them, each {role, chosen, standIn, needed, state,
 * standsIn}: its two engines (standIn may be null), where the role stands, and whether the
 * stand-in works in place of the other.
 */
export function rolesOf(live) {
  const order = Object.keys(ROLES);
  const roles = new Map();
  for (const engine of live.engines.values()) {
    const one = roles.get(engine.role) ?? { role: engine.role, chosen: null, standIn: null };
    one[engine.standby ? "standIn" : "chosen"] = engine;
    roles.set(engine.role, one);
  }
  return [...roles.values()]
    .map(({ role, chosen, standIn }) => {
      const both = [chosen, standIn].filter(Boolean);
      const states = new Set(both.map((engine) => engine.state));
      const state = ["ready", "loading", "failed"].find((one) => states.has(one));
      const standsIn = Boolean(chosen && standIn?.state === "ready" && !chosen.active);
      return { role, chosen, standIn, needed: both[0].needed, state, standsIn };
    })
    .sort((one, other) => order.indexOf(one.role) - order.indexOf(other.role));
}

/** One sentence for a role whose stand-in works: what is the matter, and who works meanwhile. */
export function instead({ role, chosen, standIn }) {
  const [name, other] = [shortName(chosen), shortName(standIn)];
  const work = ROLES[role][2];
  if (chosen.state === "loading") return `${name} is loading; ${other} ${work} meanwhile.`;
  if (chosen.state === "failed") return `${name} has failed; ${other} ${work} meanwhile.`;
  return `${name} is not used now; ${other} ${work} instead.`;
}
