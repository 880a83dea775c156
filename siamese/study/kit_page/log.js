/* A rater's acts in the order they were done, and what follows from them: the rules of `siamese.study.way`. */
(function () {
  "use strict";
  const space = window.SiameseRating;
  const UNDOABLE = ["practice", "item", "pause", "finish"];

  space.log = {
    /** For every place whether a vote stands there. */
    answered(kit, records) {
      const answered = kit.presentations.map(() => false);
      for (const { kind, place } of records) if (kind === "vote" || kind === "undo") answered[place] = kind === "vote";
      return answered;
    },

    newest: (records, kind) => [...records].reverse().find((one) => one.kind === kind),

    /**
     * Where a rater is, in the words of a server's answer.
     * @param {object} kit what the kit knows
     * @param {object[]} records
     * @param {number} resumed place whose break is over
     * @param {number} undoMs how long the last vote can be taken back
     */
    state(kit, records, resumed, undoMs) {
      const answered = space.log.answered(kit, records);
      const place = answered.indexOf(false);
      const shows = kit.presentations[place];
      const stage = stageOf(records, shows, resumed === place);
      const open = stage === "practice" || stage === "item" ? shows : null;
      const scored = answered.filter((_, n) => !kit.presentations[n].practice);
      const left = answered.filter((done) => !done).length;
      return {
        stage,
        place: open || stage === "pause" ? place : -1,
        question: open ? open.question : "",
        pictures: open ? open.pictures : [],
        outlines: open ? open.outlines : [],
        ahead: open && place + 1 < answered.length ? kit.presentations[place + 1].pictures : [],
        done: scored.filter((done) => done).length,
        total: scored.length,
        minutes: Math.max(1, Math.ceil((left * pace(kit, records)) / 60)),
        undo_ms: UNDOABLE.includes(stage) ? undoMs : 0,
        now: Date.now() * 1000,
        result: null,
      };
    },
  };

  function stageOf(records, shows, resumed) {
    const has = (kind) => records.some((one) => one.kind === kind);
    if (has("withdraw")) return "withdrawn";
    if (has("finish")) return "done";
    if (!has("consent")) return "information";
    if (!has("screen")) return "screen";
    if (!shows) return "finish";
    if (shows.practice) return "practice";
    return shows.pause && !resumed ? "pause" : "item";
  }

  /** Seconds a presentation: the median of the last twenty; before there are ten, a guess. */
  function pace(kit, records) {
    const times = records.filter((one) => one.kind === "vote").slice(-20).map((one) => one.content.facts.ms / 1000);
    return times.length < 10 ? kit.seconds : times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
  }
})();
