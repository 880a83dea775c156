/* The screen "Train": the runs at the left; a new training or one run at the right. One question to the server every
   two seconds while the screen is seen. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const SIGNS = { waiting: "…", running: "▶", stopping: "■", stopped: "■", finished: "✓", failed: "!", interrupted: "!" };

  /**
   * @param {HTMLElement} element an empty element
   * @param {{server: Object<string, Function>, token: () => string}} options
   */
  space.mountTrain = function (element, options) {
    const make = space.make;
    const state = { run: null, seen: null, runs: [], looking: null, looks: 0 };
    const fresh = make("button", { type: "button", class: "tr-button strong", id: "train-new" }, "Train a model on your pictures");
    const list = make("ul", { class: "tr-runs", id: "train-runs" });
    const back = make("button", { type: "button", class: "tr-button", id: "train-back" }, "Bring back a run…");
    const model = make("div", { class: "tr-model", id: "train-model" });
    const said = make("p", { class: "tr-said", id: "train-side-said", role: "status" });
    const aside = make("aside", { class: "tr-card" }, fresh, make("h2", {}, "Trainings"), list, said);
    aside.append(make("h2", {}, "From a cluster"), make("p", { class: "tr-soft" }, "Drop the zip of a finished run on this page."), back);
    aside.append(make("h2", {}, "In the studio"), model);
    const form = make("div", { class: "tr-stack", id: "train-form" });
    const shown = make("div", { class: "tr-stack", id: "train-run", hidden: "" });
    const ask = make("dialog", { class: "tr-ask", "aria-labelledby": "train-question" });
    element.replaceChildren(aside, make("div", { class: "tr-main" }, form, shown), ask);

    const desk = {
      ...space.asking(options, ask),
      look: () => look(),
      open: (id) => open(id),
      duplicate(run) {
        choose(null);
        steps.duplicate(run);
      },
      runs: () => state.runs,
    };
    const view = new space.RunView(shown, desk);
    const steps = new space.TrainForm(form, desk);

    /** Ask the server how everything stands; the newest question wins. */
    async function look() {
      const mine = (state.looking = {});
      try {
        const found = await desk.ask("watch", { run: state.run, seen: state.seen });
        if (mine !== state.looking) return;
        state.runs = found.runs;
        showRuns();
        showModel(found.model);
        if (found.run && found.run.id === state.run) {
          state.seen = found.run.version;
          view.show(found.run, state.runs);
        }
        if (said.dataset.kind === "bad") tell("", "");
      } catch (error) {
        if (mine === state.looking) tell("bad", error.message);
      } finally {
        state.looks += 1;
        element.dataset.looks = String(state.looks);
      }
    }

    function showRuns() {
      const key = JSON.stringify([state.run, state.runs]);
      if (key === state.key) return;
      state.key = key;
      const held = list.contains(document.activeElement) ? document.activeElement.dataset.id : "";
      list.replaceChildren(...state.runs.map(row));
      if (!state.runs.length) list.append(make("li", { class: "tr-empty" }, "Nothing was trained here yet."));
      if (held) list.querySelector(`[data-id="${CSS.escape(held)}"]`)?.focus();
    }

    function row(run) {
      const words = `${SIGNS[run.state_words] || "?"} ${run.state_words}`;
      const button = make("button", { type: "button", class: "tr-run", "aria-pressed": String(run.id === state.run) });
      button.append(make("span", { class: "tr-run-name" }, run.title), make("span", { class: "tr-run-state" }, run.words || space.clock(run.created)));
      button.append(make("span", { class: "tr-state", "data-state": run.state_words }, words));
      if (run.part !== null) {
        const part = make("span", {});
        part.style.width = `${100 * run.part}%`;
        button.append(make("span", { class: "tr-bar", "aria-hidden": "true" }, part));
      }
      button.dataset.id = run.id;
      button.addEventListener("click", () => open(run.id));
      return make("li", {}, button);
    }

    function showModel(found) {
      const key = JSON.stringify(found);
      if (key === model.dataset.key) return;
      model.dataset.key = key;
      const word = { loading: `${found.name} is being loaded…`, failed: "The model could not be loaded; the line below the studio says why.", ready: `Pictures are made with ${found.name}.` }[found.state];
      const parts = [make("p", {}, word)];
      if (found.notice) parts.push(make("p", { class: "tr-warning" }, found.notice));
      if (found.away) {
        const button = make("button", { type: "button", class: "tr-button", id: "train-home" }, `Back to ${found.home}`);
        button.addEventListener("click", () => home(button));
        parts.push(button);
      }
      model.replaceChildren(...parts);
    }

    async function home(button) {
      button.disabled = true;
      try {
        await desk.task((await desk.ask("home")).task);
        window.dispatchEvent(new Event("siamese-model"));
      } catch (error) {
        tell("bad", error.message);
      }
      button.disabled = false;
      await look();
    }

    function choose(id) {
      state.run = id;
      state.seen = null;
      form.hidden = Boolean(id);
      shown.hidden = !id;
      fresh.setAttribute("aria-pressed", String(!id));
      showRuns();
    }

    async function open(id) {
      choose(id);
      await look();
      if (view.run && view.run.id === id) view.title.focus({ preventScroll: true });
    }

    async function bringBack(file) {
      try {
        const id = await space.upload(desk, file, (part) => tell("", `${file.name}: ${Math.round(100 * part)} % is here.`));
        tell("", "Looking through the run…");
        const found = await desk.task((await desk.ask("bring_back", { upload: id })).task);
        tell("good", `${found.title} is back.`);
        await open(found.run);
      } catch (error) {
        tell("bad", error.message);
      }
    }

    function tell(kind, text) {
      said.dataset.kind = kind;
      said.textContent = text;
    }

    fresh.addEventListener("click", () => {
      choose(null);
      steps.focus();
    });
    space.filePicker(back, bringBack);
    space.dropZone(element, bringBack); // step 1 takes pictures itself
    const watch = space.watching(element, look);

    choose(null);
    return {
      start() {
        if (watch.start()) steps.begin();
      },
    };
  };

  /** @param {number} seconds since 1970 */
  space.clock = function (seconds) {
    const day = new Date(seconds * 1000);
    const two = (n) => String(n).padStart(2, "0");
    return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())} ${two(day.getHours())}:${two(day.getMinutes())}`;
  };
})();
