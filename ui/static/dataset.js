/* The screen "Dataset": sets at the left; at the right five steps from masks to an export, the next one always below. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const STEPS = ["Masks", "How many", "Synthesize", "Review", "Export"];
  const SIGNS = { waiting: "…", running: "▶", stopping: "■", stopped: "■", finished: "✓", failed: "!", interrupted: "!" };

  /**
   * @param {HTMLElement} element an empty element
   * @param {{server: Object<string, Function>, token: () => string}} options
   */
  space.mountDataset = function (element, options) {
    const make = space.make;
    const state = { set: null, sets: [], step: 0, found: null, looking: null, looks: 0 };
    const fresh = make("button", { type: "button", class: "tr-button strong", id: "dataset-new" }, "Make a dataset");
    const list = make("ul", { class: "tr-runs", id: "dataset-sets" });
    const side = make("p", { class: "tr-said", id: "dataset-side-said", role: "status" });
    const aside = make("aside", { class: "tr-card" }, fresh, make("h2", {}, "Sets"), list, side);
    const rail = make("ol", { class: "ds-rail", id: "dataset-rail", "aria-label": "Steps" });
    const room = make("div", { class: "tr-stack", id: "dataset-room" });
    const words = make("p", { class: "ds-words", role: "status", id: "dataset-words" });
    const next = make("button", { type: "button", class: "tr-button strong ds-go", id: "dataset-next" });
    const foot = make("div", { class: "ds-foot" }, words, next);
    const dialog = make("dialog", { class: "tr-ask", "aria-labelledby": "dataset-question" });
    element.replaceChildren(aside, make("div", { class: "tr-main ds-main" }, rail, room, foot), dialog);

    const desk = {
      ...space.asking(options, dialog),
      set: () => state.set,
      found: () => state.found,
      look: () => look(),
      foot: () => showFoot(),
      go: (step) => go(step),
      /** A new set with the plan of another one. */
      async again(id) {
        const { plan } = await desk.ask("again", { set: id });
        Object.assign(steps[0].form, { plan, preview: null });
        steps[1].name.value = plan.name;
        choose(null);
        go(0);
      },
      /** A set was begun: show it. */
      async begun(id) {
        choose(id);
        await look();
        go(2);
      },
    };
    const steps = [
      new space.MasksStep(desk),
      new space.AmountStep(desk),
      new space.WorkStep(desk),
      new space.ReviewStep(desk),
      new space.ExportStep(desk),
    ];
    desk.masks = steps[0];
    steps[1].form = steps[0].form;
    const tabs = STEPS.map((name, i) => {
      const button = make("button", { type: "button", class: "ds-step" }, make("span", { class: "ds-number" }, String(i + 1)), name);
      button.addEventListener("click", () => go(i));
      rail.append(make("li", {}, button));
      return button;
    });
    room.append(...steps.map((step) => step.element));

    /** How far the steps can be opened: a set that is being made has no way back to its masks. */
    function open(i) {
      if (!state.set) return i < 2;
      return i >= 2 && (i < 3 || Boolean(state.found && state.found.scored));
    }

    function go(i) {
      if (!open(i)) return;
      state.step = i;
      show();
      steps[i].open();
      showFoot();
      steps[i].element.querySelector("h2").focus({ preventScroll: true });
    }

    function show() {
      const past = Math.max(state.step, state.set ? (state.found && state.found.scored ? 3 : 2) : 0);
      tabs.forEach((tab, i) => {
        tab.disabled = !open(i);
        tab.setAttribute("aria-current", i === state.step ? "step" : "false");
        tab.dataset.done = String(i < past && i !== state.step);
      });
      steps.forEach((step, i) => (step.element.hidden = i !== state.step));
      showFoot();
    }

    function showFoot() {
      const said = steps[state.step].next();
      words.textContent = said.words;
      next.textContent = said.label;
      next.hidden = !said.label;
      next.disabled = Boolean(said.wait);
      next.onclick = said.act;
    }

    function choose(id) {
      if (state.set !== id) state.found = null;
      state.set = id;
      fresh.setAttribute("aria-pressed", String(!id));
      showList();
    }

    /** Ask the server how everything stands; the newest question wins. */
    async function look() {
      const mine = (state.looking = {});
      try {
        const answer = await desk.ask("watch", { set: state.set });
        if (mine !== state.looking) return;
        state.sets = answer.sets;
        showList();
        if (answer.set && answer.set.id === state.set) {
          const before = state.found;
          state.found = answer.set;
          steps[2].show(answer.set);
          if (before && !before.scored && answer.set.scored && state.step === 2) steps[3].stale();
        }
        show();
        if (side.dataset.kind === "bad") tell("", "");
      } catch (error) {
        if (mine === state.looking) tell("bad", error.message);
      } finally {
        state.looks += 1;
        element.dataset.looks = String(state.looks);
      }
    }

    function showList() {
      const key = JSON.stringify([state.set, state.sets]);
      if (key === list.dataset.key) return;
      list.dataset.key = key;
      const held = list.contains(document.activeElement) ? document.activeElement.dataset.id : "";
      list.replaceChildren(...state.sets.map(row));
      if (!state.sets.length) list.append(make("li", { class: "tr-empty" }, "No set was made here yet. Begin with the outlines that came with the app: it takes five minutes."));
      if (held) list.querySelector(`[data-id="${CSS.escape(held)}"]`)?.focus();
    }

    function row(one) {
      const button = make("button", { type: "button", class: "tr-run", "aria-pressed": String(one.id === state.set) });
      button.append(make("span", { class: "tr-run-name" }, one.title), make("span", { class: "tr-run-state" }, one.words || space.clock(one.created)));
      button.append(make("span", { class: "tr-state", "data-state": one.state_words }, `${SIGNS[one.state_words] || "?"} ${one.state_words}`));
      if (one.part !== null) {
        const part = make("span", {});
        part.style.width = `${100 * one.part}%`;
        button.append(make("span", { class: "tr-bar", "aria-hidden": "true" }, part));
      }
      button.dataset.id = one.id;
      button.addEventListener("click", () => pick(one.id));
      return make("li", {}, button);
    }

    async function pick(id) {
      choose(id);
      steps.forEach((step, i) => i > 1 && step.stale());
      for (let tries = 0; tries < 3 && state.set === id && !state.found; tries += 1) await look(); // a newer look may win
      if (state.set === id) go(state.found && state.found.scored ? 3 : 2);
    }

    function tell(kind, text) {
      side.dataset.kind = kind;
      side.textContent = text;
    }

    fresh.addEventListener("click", () => {
      choose(null);
      go(0);
    });
    const watch = space.watching(element, look);
    choose(null);
    show();
    return {
      start() {
        if (watch.start()) steps[0].begin();
      },
    };
  };
})();
