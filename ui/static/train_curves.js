/* The curves of a run: one small chart a figure, and the watch for memorisation. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const NAMES = {
    L: "Loss L",
    L1: "Difference L1",
    L_m: "Outline loss L_m",
    L_i: "Picture loss L_i",
    L_c: "Consistency L_c",
    "L_m'": "Augmented outline loss L_m'",
    lr: "Learning rate",
  };
  const HELD = { held_out: "held-out pictures", trained: "training pictures" };

  class Curves {
    constructor() {
      const { make } = space;
      this.stage = null;
      this.charts = new Map();
      this.stages = make("div", { class: "tr-segments", role: "group", "aria-label": "Part of the training" });
      this.smooth = make("input", { type: "range", min: "0", max: "0.98", step: "0.02", value: "0.6", id: "train-smooth" });
      this.log = make("input", { type: "checkbox", id: "train-log" });
      const tools = make("div", { class: "tr-tools" }, this.stages);
      tools.append(make("label", { class: "tr-inline" }, "Smoothing ", this.smooth), make("label", { class: "tr-inline" }, this.log, " Logarithmic"));
      this.grid = make("div", { class: "tr-charts" });
      this.empty = make("p", { class: "tr-empty" }, "The curves appear with the first steps.");
      this.warning = make("p", { class: "tr-warning", role: "alert" });
      this.sentence = make("p", { class: "tr-words" });
      this.watchGrid = make("div", { class: "tr-charts" });
      this.watch = make("section", { class: "tr-card", "aria-label": "Memorisation watch" }, make("h3", {}, "Memorisation watch"));
      this.watch.append(
        make("p", { class: "tr-soft" }, "Pictures of fixed outlines against training and held-out real pictures. Near the training pictures means copied, not learnt."),
        this.warning, this.sentence, this.watchGrid
      );
      const card = make("section", { class: "tr-card", "aria-label": "Curves" }, make("h3", {}, "Curves"), tools, this.empty, this.grid);
      this.element = make("div", { class: "tr-stack", id: "train-curves" }, card, this.watch);
      this.smooth.addEventListener("input", () => this.draw());
      this.log.addEventListener("change", () => this.draw());
    }

    show(run, other) {
      if (!this.run || this.run.id !== run.id) {
        this.stage = null;
        this.follows = true;
      }
      this.run = run;
      this.other = other;
      const held = run.stages.filter((one) => Object.keys(one.curves).length);
      if (!held.some((one) => one.name === this.stage) || this.follows) {
        this.follows = true;
        const main = run.state === "running" ? null : held.find((one) => one.name === "siamese");
        this.stage = main ? main.name : held.length ? held[held.length - 1].name : null;
      }
      const key = JSON.stringify([held.map((one) => one.name), this.stage]);
      if (key !== this.key) {
        this.key = key;
        this.stages.replaceChildren(...held.map((one) => this.button(one)));
      }
      this.draw();
    }

    button(one) {
      const pressed = String(one.name === this.stage);
      const button = space.make("button", { type: "button", class: "tr-segment", "aria-pressed": pressed }, one.words);
      button.dataset.stage = one.name;
      button.addEventListener("click", () => {
        this.stage = one.name;
        this.follows = false;
        this.key = "";
        this.show(this.run, this.other);
        this.stages.querySelector(`[data-stage="${one.name}"]`).focus();
      });
      return button;
    }

    draw() {
      const found = this.run.stages.find((one) => one.name === this.stage);
      const theirs = this.other && this.other.stages.find((one) => one.name === this.stage);
      const names = found ? Object.keys(found.curves) : [];
      this.empty.hidden = names.length > 0;
      const key = `${this.run.id} ${this.stage} ${names.join(" ")}`;
      if (key !== this.chartsFor) {
        this.chartsFor = key;
        this.charts = new Map(names.map((name) => [name, new space.Chart(NAMES[name] || name)]));
        this.grid.replaceChildren(...[...this.charts.values()].map((chart) => chart.element));
      }
      const options = { log: this.log.checked, smooth: Number(this.smooth.value) };
      for (const [name, chart] of this.charts)
        chart.show(lines(name, [this.run, found], [this.other, theirs]), name === "lr" ? { ...options, smooth: 0 } : options);
      this.drawWatch();
    }

    drawWatch() {
      const { watch } = this.run;
      this.watch.hidden = !watch;
      if (!watch) return;
      this.warning.hidden = !watch.warning;
      if (this.warning.textContent !== watch.warning) this.warning.textContent = watch.warning;
      this.sentence.textContent = watch.sentence;
      const held = Object.entries(watch.held).map(([name, points]) => ({ name: HELD[name], points }));
      const key = `${this.run.id} ${held.length}`;
      if (this.watchFor !== key) {
        this.watchFor = key;
        this.copies = new space.Chart("Share that is like a training picture");
        this.held = new space.Chart("Outline loss L_m, by the same model");
        this.watchGrid.replaceChildren(this.copies.element, ...(held.length ? [this.held.element] : []));
      }
      this.copies.show([{ name: "share", points: watch.copies }], { limit: watch.limit });
      this.held.show(held);
    }
  }

  function lines(name, ...runs) {
    return runs
      .filter(([run, stage]) => run && stage && stage.curves[name])
      .map(([run, stage]) => ({ name: run.title, points: stage.curves[name] }));
  }

  space.Curves = Curves;
})();
