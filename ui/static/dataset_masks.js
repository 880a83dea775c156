/* Steps 1 and 2 of a set: where the masks come from and how they are transformed; how many pictures, by which model. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const LATER = 500; // ms after the last change
  const SOURCES = [
    ["examples", "The outlines that came with the app", "Six drawn outlines: to try it in five minutes."],
    ["library", "My saved outlines", "Those you saved in the Studio under Outlines."],
    ["dataset", "A dataset's training pictures", "Only outlines of its training split lend themselves; val and test stay out."],
    ["folder", "A folder of masks", "Or a zip, on the computer that runs this studio."],
  ];
  const MODES = [
    ["random", "Transformed", "Scaled, moved, turned, mirrored, wobbled; some go part of the way to another case's."],
    ["real", "As they are", "One new picture, or several, on each outline."],
  ];
  const KNOBS = [
    ["scale", "Size, from – to (factor)", 2], ["move", "Moved by at most (share of the side)", 1], ["rotate", "Turned by at most (degrees)", 1],
    ["elastic", "Wobbled by at most (share of the side)", 1], ["morph", "Part of the way to another case (share of masks)", 1], ["morph_part", "How far, from – to", 2],
  ];

  /** A group of radio buttons with a sentence each. */
  function choices(name, all, pick) {
    const made = space.make("div", { class: "ds-choices", role: "radiogroup" });
    for (const [value, title, about] of all) {
      const input = space.make("input", { type: "radio", name, value });
      input.addEventListener("change", () => pick(value));
      made.append(space.make("label", { class: "ds-choice" }, input, space.make("span", {}, space.make("strong", {}, title), space.make("span", { class: "tr-soft" }, about))));
    }
    return made;
  }

  class MasksStep {
    /** @param {object} desk see dataset.js */
    constructor(desk) {
      const { make } = space;
      this.desk = desk;
      this.form = { plan: null, offers: null, preview: null, problem: "", busy: false, listeners: [] };
      this.sources = choices("dataset-source", SOURCES, (value) => this.source(value));
      this.modes = choices("dataset-mode", MODES, (value) => this.change((masks) => (masks.mode = value)));
      this.where = make("div", { class: "tr-stack", id: "dataset-where" });
      this.flip = make("input", { type: "checkbox" });
      this.flip.addEventListener("change", () => this.change((masks) => (masks.random.flip = this.flip.checked)));
      this.knobs = make("div", { class: "tr-knobs" });
      this.fold = make("details", { class: "tr-fold", id: "dataset-ranges" }, make("summary", {}, "How far they are transformed"), this.knobs, make("label", { class: "tr-inline" }, this.flip, "mirror half of them"));
      this.grid = make("div", { class: "ds-masks", id: "dataset-masks", "aria-live": "polite" });
      this.again = make("button", { type: "button", class: "tr-button", id: "dataset-others" }, "Show others");
      this.again.addEventListener("click", () => this.change((masks, plan) => (plan.pictures.seed = Math.floor(Math.random() * 2 ** 31)), 0));
      this.said = make("p", { class: "tr-said", id: "dataset-masks-said", role: "status" });
      this.element = make("section", { class: "tr-card", id: "dataset-step-1" });
      this.element.append(
        make("h2", { tabindex: "-1" }, "1 · Masks: where a lesion is to be"),
        this.sources, this.where, make("h3", {}, "How they are used"), this.modes, this.fold,
        make("div", { class: "tr-acts" }, make("h3", {}, "A few of them"), this.again), this.said, this.grid
      );
      this.timer = 0;
    }

    async begin() {
      try {
        const offers = await this.desk.ask("offers");
        this.form.offers = offers;
        if (!this.form.plan) this.form.plan = offers.plan;
        const { collections, datasets } = offers;
        this.sources.querySelector('[value="library"]').disabled = !collections.length;
        this.sources.querySelector('[value="dataset"]').disabled = !datasets.some((one) => !one.problem);
        this.sources.querySelector('[value="folder"]').disabled = !offers.here_only;
        this.show();
        this.change(() => {}, 0);
      } catch (error) {
        this.tell("bad", error.message);
      }
    }

    open() {
      this.begin(); // outlines may have been saved, datasets brought in meanwhile
    }

    stale() {}

    source(value) {
      const { datasets } = this.form.offers;
      const first = datasets.find((one) => !one.problem);
      const where = { dataset: first ? [first.name] : [], library: [], folder: [], examples: [] }[value];
      this.change((masks, plan) => {
        masks.source = value;
        masks.where = where;
        plan.real = value === "dataset" ? [] : plan.real;
      }, value === "folder" ? null : 0);
      this.show();
    }

    /** Change the plan, then look at masks anew. @param {number|null} [after] ms; null: not yet */
    change(work, after = LATER) {
      const plan = this.form.plan;
      work(plan.masks, plan);
      clearTimeout(this.timer);
      this.form.preview = null;
      if (after !== null) this.timer = setTimeout(() => this.preview(), after);
      this.show();
      this.changed();
    }

    changed() {
      this.form.listeners.forEach((one) => one());
      this.desk.foot();
    }

    async preview() {
      const mine = (this.asked = {});
      this.form.busy = true;
      this.grid.dataset.busy = "true";
      this.changed();
      try {
        const begun = await this.desk.ask("preview", { plan: this.form.plan });
        const found = await this.desk.task(begun.task);
        if (mine !== this.asked) return;
        this.form.preview = found;
        this.form.problem = "";
        this.tell("", "");
        this.grid.replaceChildren(...found.masks.map((png, i) => space.make("img", { alt: `mask ${i + 1}`, src: "data:image/png;base64," + png })));
      } catch (error) {
        if (mine !== this.asked) return;
        this.form.problem = error.message;
        this.grid.replaceChildren();
        this.tell("bad", error.message);
      } finally {
        if (mine === this.asked) {
          this.form.busy = false;
          this.grid.dataset.busy = "false";
          this.changed();
        }
      }
    }

    show() {
      const { plan } = this.form;
      const { masks } = plan;
      this.sources.querySelector(`[value="${masks.source}"]`).checked = true;
      this.modes.querySelector(`[value="${masks.mode}"]`).checked = true;
      this.fold.hidden = masks.mode !== "random";
      this.flip.checked = masks.random.flip;
      this.showWhere(masks);
      if (this.knobs.dataset.plan !== plan.name) {
        this.knobs.dataset.plan = plan.name;
        this.knobs.replaceChildren();
      }
      if (!this.knobs.childElementCount) this.knobs.append(...KNOBS.map((one) => this.knob(...one)));
    }

    showWhere(masks) {
      const { make } = space;
      const key = JSON.stringify([masks.source, this.form.plan.name, this.form.offers.datasets, this.form.offers.collections]);
      if (this.where.dataset.key === key) return;
      this.where.dataset.key = key;
      const pick = (name, words) => {
        const box = make("input", { type: "checkbox", value: name });
        box.checked = masks.where.includes(name);
        box.addEventListener("change", () => this.change((all) => (all.where = box.checked ? [...all.where, name] : all.where.filter((one) => one !== name))));
        return make("label", { class: "tr-inline" }, box, words);
      };
      if (masks.source === "dataset") {
        const known = this.form.offers.datasets.filter((one) => !one.problem);
        const without = make("input", { type: "text", class: "tr-input", id: "dataset-without", autocomplete: "off", spellcheck: "false", value: masks.without.join(", ") });
        without.addEventListener("input", () => this.change((all) => (all.without = without.value.split(/[\s,;]+/).filter(Boolean))));
        this.where.replaceChildren(...known.map((one) => pick(one.name, `${one.name}: ${space.counted(one.splits.train || 0, "training picture")}`)));
        this.where.append(space.field("Cases that lend no outline", without, "Their names, with commas between; those that are nearly a val or test outline are named when you begin."));
      } else if (masks.source === "library") {
        const some = this.form.offers.collections;
        this.where.replaceChildren(...some.map((one) => pick(one.name, `${one.name || "my own"}: ${space.counted(one.count, "outline")}`)), make("p", { class: "tr-soft" }, "None ticked: all of them."));
      } else if (masks.source === "folder") {
        const path = make("input", { type: "text", class: "tr-input", id: "dataset-path", autocomplete: "off", spellcheck: "false", placeholder: "/path/to/masks or masks.zip", value: masks.where[0] || "" });
        path.addEventListener("input", () => this.change((all) => (all.where = path.value.trim() ? [path.value.trim()] : []), path.value.trim() ? LATER : null));
        this.where.replaceChildren(space.field("Folder or zip of masks", path));
      } else this.where.replaceChildren();
    }

    knob(name, words, count) {
      const inputs = Array.from({ length: count }, (_, i) => {
        const value = this.form.plan.masks.random[name];
        const input = space.make("input", { type: "number", class: "tr-input", step: "any", min: "0", value: String(count === 1 ? value : value[i]), "aria-label": count === 1 ? words : `${words}, ${i ? "to" : "from"}` });
        input.addEventListener("input", () => {
          const found = inputs.map((one) => Number(one.value));
          if (inputs.every((one) => one.value !== "")) this.change((masks) => (masks.random[name] = count === 1 ? found[0] : found));
        });
        return input;
      });
      return space.make("div", { class: "tr-field" }, space.make("span", {}, words), space.make("div", { class: "ds-pair" }, ...inputs));
    }

    tell(kind, text) {
      this.said.dataset.kind = kind;
      this.said.textContent = text;
    }

    next() {
      const found = this.form.preview;
      if (this.form.busy || !found) return { words: this.form.busy ? "Reading the masks…" : this.form.problem, label: "Next: how many", wait: true };
      return { words: `${space.counted(found.count, "mask")} to begin with.`, label: "Next: how many", act: () => this.desk.go(1) };
    }
  }

  Object.assign(space, { MasksStep });
})();
