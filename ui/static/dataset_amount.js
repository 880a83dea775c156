/* Step 2 of a set: how many pictures, by which model, beside which real pictures. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const FOLDS = [0.5, 1, 2, 3, 5, 10];

  class AmountStep {
    /** @param {object} desk see dataset.js */
    constructor(desk) {
      const { make, field } = space;
      this.desk = desk;
      this.name = make("input", { type: "text", class: "tr-input", id: "dataset-name", maxlength: "80", value: "" });
      this.folds = make("div", { class: "tr-segments", role: "group", "aria-label": "Pictures for each mask", id: "dataset-folds" });
      this.custom = make("input", { type: "number", class: "tr-input", id: "dataset-fold", min: "0.5", max: "10", step: "0.5" });
      this.models = make("div", { class: "tr-stack", id: "dataset-models" });
      this.guidance = make("input", { type: "number", class: "tr-input", min: "0", max: "15", step: "0.1", placeholder: "the model's own", id: "dataset-guidance" });
      this.steps = make("input", { type: "number", class: "tr-input", min: "1", max: "1000", step: "1", id: "dataset-steps" });
      this.seed = make("input", { type: "number", class: "tr-input", min: "0", step: "1", id: "dataset-seed" });
      this.unseen = make("input", { type: "text", class: "tr-input", maxlength: "500", id: "dataset-unseen" });
      this.real = make("div", { class: "tr-stack", id: "dataset-real" });
      this.lines = make("ul", { class: "tr-lines", id: "dataset-lines" });
      this.said = make("p", { class: "tr-said", id: "dataset-amount-said", role: "status" });
      this.element = make("section", { class: "tr-card", id: "dataset-step-2" });
      const more = make("details", { class: "tr-fold" }, make("summary", {}, "Guidance, steps, seed, and models from elsewhere"));
      more.append(make("div", { class: "tr-knobs" }, field("Guidance on the mask", this.guidance), field("Steps", this.steps), field("First seed", this.seed, "The same plan with the same seed makes the same set.")));
      more.append(field("How you know that the model has seen no val or test picture", this.unseen, "Only for a model that does not say what it was trained on; your words stand in the card."));
      this.element.append(
        make("h2", { tabindex: "-1" }, "2 · How many pictures"),
        make("div", { class: "tr-knobs wide" }, field("Name of the set", this.name), make("div", { class: "tr-field" }, make("span", {}, "Pictures for each mask"), make("div", { class: "ds-pair" }, this.folds, this.custom))),
        make("h3", {}, "Made by"), this.models, more,
        make("h3", {}, "Trained and tested beside"), this.real,
        make("h3", {}, "What this makes and takes"), this.lines, this.said
      );
      this.folds.append(
        ...FOLDS.map((fold) => {
          const button = make("button", { type: "button", class: "tr-segment", "data-fold": String(fold) }, `${fold}×`);
          button.addEventListener("click", () => this.change((plan) => (plan.fold = fold)));
          return button;
        })
      );
      this.custom.addEventListener("input", () => this.custom.value && this.change((plan) => (plan.fold = Number(this.custom.value))));
      this.name.addEventListener("input", () => this.desk.foot());
      this.unseen.addEventListener("input", () => (this.shared.plan.pictures.unseen = this.unseen.value));
      for (const [input, name] of [[this.guidance, "guidance"], [this.steps, "steps"], [this.seed, "seed"]])
        input.addEventListener("input", () => this.change((plan) => (plan.pictures[name] = input.value === "" ? null : Number(input.value))));
    }

    /** The form of step 1, which is shared. */
    set form(form) {
      this.shared = form;
      form.listeners.push(() => this.show());
    }

    open() {
      if (!this.name.value) this.name.value = `set ${space.clock(Date.now() / 1000).slice(0, 10)}`;
      this.show();
    }

    stale() {}

    change(work) {
      work(this.shared.plan);
      this.masks().change(() => {});
      this.show();
    }

    masks() {
      return this.desk.masks;
    }

    show() {
      const { plan, offers, preview } = this.shared;
      if (!plan || !offers) return;
      for (const button of this.folds.children) button.setAttribute("aria-pressed", String(Number(button.dataset.fold) === plan.fold));
      const put = (input, value) => document.activeElement !== input && (input.value = value === null ? "" : String(value));
      put(this.custom, plan.fold);
      put(this.guidance, plan.pictures.guidance);
      put(this.steps, plan.pictures.steps);
      put(this.seed, plan.pictures.seed);
      put(this.unseen, plan.pictures.unseen);
      this.showModels(plan, offers);
      this.showReal(plan, offers);
      const lines = preview ? preview.lines : [];
      this.lines.replaceChildren(...lines.map((line) => space.make("li", {}, line)));
      this.tell(this.shared.problem ? "bad" : "", this.shared.problem);
    }

    showModels(plan, offers) {
      if (!plan.pictures.checkpoints.every((name) => offers.models.some((one) => one.value === name))) plan.pictures.checkpoints = [offers.models[0].value];
      this.ticks(this.models, offers.models.map((one) => [one.value, one.words]), plan.pictures.checkpoints, (some) => some.length && (plan.pictures.checkpoints = some));
    }

    showReal(plan, offers) {
      const known = offers.datasets.filter((one) => !one.problem);
      if (plan.masks.source === "dataset") this.real.replaceChildren(space.make("p", { class: "tr-soft" }, `${plan.masks.where.join(", ")}, which lends the masks.`));
      else if (!known.length) this.real.replaceChildren(space.make("p", { class: "tr-soft" }, "No real dataset is here; the set stands alone. Bring one in on the Train tab to export both together."));
      else this.ticks(this.real, known.map((one) => [one.name, `${one.name}: ${space.counted(one.count, "picture")}`]), plan.real, (some) => (plan.real = some));
      if (plan.masks.source === "dataset") delete this.real.dataset.key;
    }

    ticks(place, all, chosen, pick) {
      const key = JSON.stringify([all, chosen]);
      if (place.dataset.key === key) return;
      place.dataset.key = key;
      place.replaceChildren(
        ...all.map(([value, words]) => {
          const box = space.make("input", { type: "checkbox", value });
          box.checked = chosen.includes(value);
          box.addEventListener("change", () => {
            pick(all.map((one) => one[0]).filter((one) => (one === value ? box.checked : chosen.includes(one))));
            this.change(() => {});
          });
          return space.make("label", { class: "tr-inline" }, box, words);
        })
      );
    }

    async start() {
      this.waiting = true;
      this.desk.foot();
      try {
        const plan = { ...this.shared.plan, name: this.name.value.trim() };
        const { run } = await this.desk.ask("begin", { plan });
        this.name.value = "";
        await this.desk.begun(run);
      } catch (error) {
        this.tell("bad", error.message);
      }
      this.waiting = false;
      this.desk.foot();
    }

    tell(kind, text) {
      this.said.dataset.kind = kind;
      this.said.textContent = text;
    }

    next() {
      const { preview, busy } = this.shared;
      const label = preview ? `Synthesize ${space.counted(preview.pictures, "picture")}` : "Synthesize";
      const words = preview ? "Nothing is made before you press it." : busy ? "Counting…" : this.shared.problem;
      return { words, label, wait: !preview || this.waiting || !this.name.value.trim(), act: () => this.start() };
    }
  }

  Object.assign(space, { AmountStep });
})();
