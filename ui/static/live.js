/* Live: while the outline changes, a quick picture follows. One request at a time; when it is answered, the newest
   mask is sent and those between are never made. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const KEY = "siamese-live";
  const SLOW = 2; // seconds
  const AGAIN = { loading: 500, busy: 700 }; // ms until the next attempt
  const WATCHED = "#seed, #guidance, #corner-box";
  const WORDS = "#prompt"; // followed when they are whole, not at every letter

  /**
   * @param {HTMLElement} element an empty element for the switch
   * @param {{server: {live: Function}, token: () => string}} options
   */
  space.mountLive = function (element, options) {
    const button = space.panelButton("", "", () => choose(!on), { id: "live" });
    element.replaceChildren(button);
    const page = Math.random().toString(36).slice(2);
    const counts = { sent: 0, shown: 0, answers: 0, slow: 0, latencies: [], seconds: [], reasons: {} };
    let on = space.memory.get(KEY) !== "off";
    let flight = null; // the request under way: {dragging}
    let changes = 0; // of mask or settings, so far
    let answered = 0; // the change that was answered last
    let touched = false;
    let dragging = false;
    let released = 0; // when the pointer went up, ms
    let timer = 0;

    function choose(wanted) {
      on = wanted;
      counts.slow = 0;
      space.memory.set(KEY, on ? "on" : "off");
      show();
      if (on) changed({ dragging: false });
    }

    /** Too slow twice in a row; not remembered, since a machine that is busy today may be fast tomorrow. */
    function slow(seconds) {
      on = false;
      counts.slow = 0;
      show();
      space.pictures.say(`Live is off now: a quick picture took ${seconds.toFixed(1)} s here. Generate works as before.`);
    }

    function show() {
      button.textContent = on ? "● Live" : "○ Live";
      button.setAttribute("aria-pressed", String(on));
      button.title = on ? "Live is on: the picture follows the outline" : "Live is off";
      button.setAttribute("aria-label", "Live: the picture follows the outline");
    }

    /** @param {{dragging: boolean}} what the outline or a setting changed */
    function changed(what) {
      if (!touched) return; // nobody has done anything yet: the stored drawing arrived
      if (dragging && !what.dragging) released = performance.now();
      if (!dragging && !what.dragging) released = performance.now();
      dragging = Boolean(what.dragging);
      changes++;
      if (!dragging && flight && flight.dragging) flight = null; // its answer is not waited for: the last one counts
      pump();
    }

    function sampling() {
      const line = document.getElementById("status");
      return Boolean(line) && line.dataset.state === "sampling";
    }

    function settings() {
      const number = (where) => {
        const field = document.querySelector(where + " input[type=number]");
        return field && field.value !== "" ? Number(field.value) : null;
      };
      const box = document.querySelector("#corner-box input");
      return { seed: number("#seed"), guidance: number("#guidance"), corner_box: Boolean(box && box.checked), prompt: space.prompt() };
    }

    async function pump() {
      if (!on || flight || answered === changes || sampling() || !space.current || !options.token()) return;
      clearTimeout(timer);
      const mask = space.current();
      if (!mask) return;
      const own = (flight = { dragging });
      const sent = changes;
      const since = dragging ? 0 : released;
      const chosen = settings();
      counts.sent++;
      let answer;
      try {
        const { width, height, runs } = mask;
        answer = await space.answered(
          options.server.live({ token: options.token(), page, runs: Array.from(runs), width, height, dragging, ...chosen })
        );
      } catch (error) {
        answer = { ok: false, reason: "error", error: error.message };
      }
      counts.reasons[answer.reason || "ok"] = (counts.reasons[answer.reason || "ok"] || 0) + 1;
      if (flight !== own) return; // overtaken
      flight = null;
      if (!answer.ok && AGAIN[answer.reason]) {
        if (space.pictures) space.pictures.say("Live: " + answer.error);
        timer = setTimeout(pump, AGAIN[answer.reason]);
        return;
      }
      answered = sent;
      if (answer.ok) arrived(answer, chosen, since);
      else if (answer.reason !== "superseded" && space.pictures) space.pictures.say("Live: " + answer.error);
      if (answer.seconds !== undefined && counts.answers++) counts.slow = answer.seconds > SLOW ? counts.slow + 1 : 0;
      if (counts.slow >= 2) slow(answer.seconds);
      pump();
    }

    function arrived(answer, chosen, since) {
      if (sampling() || !on) return; // what was asked for comes first
      const text = `live · seed ${chosen.seed} · guidance ${chosen.guidance}`;
      space.pictures.loose("live", answer.png, text, "Synthetic live picture, " + text);
      space.pictures.say("");
      counts.shown++;
      counts.seconds.push(answer.seconds);
      if (since) counts.latencies.push(performance.now() - since);
    }

    /** A picture that was asked for has come: nothing that live was about before is painted over it. */
    space.yieldLive = function () {
      clearTimeout(timer);
      flight = null;
      answered = changes;
    };

    for (const name of ["input", "change"])
      document.addEventListener(name, (event) => {
        const watched = name === "input" ? WATCHED : `${WATCHED}, ${WORDS}`;
        if (event.target.closest && event.target.closest(watched)) changed({ dragging: false });
      });
    for (const name of ["pointerdown", "keydown", "click", "drop", "paste"])
      document.addEventListener(name, () => (touched = true), { capture: true, once: true });
    /** The drawing area may be mounted after this switch. */
    (function listen() {
      if (space.onMask) space.onMask(changed);
      else requestAnimationFrame(listen);
    })();
    window.__live = {
      counts,
      on: () => on,
      settled: () => !flight && (answered === changes || !on),
    };
    show();
  };
})();
