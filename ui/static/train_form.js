/* A new training in three steps: pictures, settings, estimate. Nothing begins before Start is pressed. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const PAUSE = 250; // ms after a key before the server checks the settings
  const AUTOMATIC = "0";

  class TrainForm {
    /** @param {HTMLElement} element @param {object} desk see train.js */
    constructor(element, desk) {
      const { make } = space;
      this.desk = desk;
      this.changes = {};
      this.found = null;
      this.data = new space.DataStep(desk, () => this.chosen());
      this.start = make("select", { class: "tr-select", id: "train-start" });
      this.size = make("select", { class: "tr-select", id: "train-size" });
      this.file = make("select", { class: "tr-select", id: "train-file" });
      this.name = make("input", { type: "text", class: "tr-input", id: "train-name", maxlength: "80", autocomplete: "off", placeholder: "the name of the pictures" });
      this.minutes = make("input", { type: "number", class: "tr-input", id: "train-minutes", min: "1", placeholder: "no limit" });
      this.sentence = make("p", { class: "tr-soft", id: "train-sentence" });
      this.knobs = make("div", { class: "tr-knobs", id: "train-knobs" });
      this.problem = make("p", { class: "tr-problem", id: "train-problem", role: "status" });
      this.table = new space.SettingsTable((key, value) => this.change(key, value));
      const fold = make("details", { class: "tr-fold", id: "train-all" }, make("summary", {}, "All settings"));
      this.fold = fold;
      this.where = new space.WhereChoice(desk, () => this.check(), (text) => this.say(text));
      fold.append(field("Recipe file", this.file, "By the number of pictures, unless you choose a file."), this.where.element, this.table.element);
      fold.addEventListener("toggle", () => fold.open && this.where.ask());
      const card = make("section", { class: "tr-card", "aria-labelledby": "train-step-2" }, make("h2", { id: "train-step-2" }, "2 · Settings"));
      const top = make("div", { class: "tr-knobs wide" }, field("Start from", this.start), field("Settings for", this.size));
      top.append(field("Name of the training", this.name), field("Stop after, minutes", this.minutes));
      card.append(top, this.sentence, this.knobs, this.problem, fold);
      this.estimate = new space.EstimateStep(desk, () => this.form());
      this.intro = make("p", { class: "tr-soft" }, "Choose labelled pictures, look at the settings, see what it will take, and only then start.");
      element.replaceChildren(this.data.element, card, this.estimate.element);
      this.start.addEventListener("change", () => this.check());
      this.size.addEventListener("change", () => this.reset());
      this.file.addEventListener("change", () => {
        if (this.file.value) this.start.value = "";
        this.reset();
      });
    }

    begin() {
      this.data.read();
      this.check();
    }

    focus() {
      this.data.focus();
    }

    /** The settings of another run, to be changed. */
    async duplicate(run) {
      try {
        const { form, sentence } = await this.desk.ask("again", { run: run.id });
        await this.data.read(form.data);
        this.changes = { ...form.changes };
        this.wish = form;
        this.name.value = form.name;
        this.minutes.value = form.minutes || "";
        if (this.where.set(form.where)) this.fold.open = true; // nothing unusual is hidden
        await this.check();
        this.problem.textContent = sentence || this.problem.textContent;
        this.name.focus();
      } catch (error) {
        this.say(error.message);
      }
    }

    form() {
      const wish = this.wish || {};
      return {
        data: this.data.chosen(),
        start: this.wish ? wish.start : this.start.options.length ? this.start.value : "polyp-compact",
        size: Number(this.wish ? wish.size : this.size.value || AUTOMATIC),
        file: this.wish ? wish.file : this.file.value,
        changes: this.changes,
        minutes: this.minutes.value ? Number(this.minutes.value) : null,
        name: this.name.value,
        where: this.where.value(),
      };
    }

    chosen() {
      this.check();
    }

    reset() {
      this.changes = {};
      this.check();
    }

    change(key, value) {
      if (value.trim()) this.changes[key] = value;
      else delete this.changes[key];
      this.estimate.stale(); // nothing starts with settings that were not checked
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.check(), PAUSE);
    }

    /** Let the server work out what the form comes to; the newest question wins. */
    async check() {
      const mine = (this.checking = {});
      clearTimeout(this.timer); // what was typed last is asked about now
      this.estimate.stale();
      const asked = this.form();
      try {
        const found = await this.desk.ask("settings", { form: asked });
        if (mine !== this.checking) return;
        this.wish = null;
        this.show(found, asked);
      } catch (error) {
        if (mine === this.checking) this.say(error.message);
      }
    }

    show(found, asked) {
      fill(this.start, found.starts, asked.start);
      const near = found.sizes.find((one) => one.value === found.size);
      const automatic = { value: AUTOMATIC, words: found.pictures ? `${near.words} (you have ${found.pictures.toLocaleString("en")})` : "Chosen by the number of pictures" };
      fill(this.size, [automatic, ...found.sizes], String(asked.size));
      const files = found.files.map((name) => ({ value: name, words: name }));
      if (asked.file && !found.files.includes(asked.file)) files.unshift({ value: asked.file, words: "Those of the other training" });
      fill(this.file, [{ value: "", words: "By the number of pictures" }, ...files], asked.file);
      this.size.disabled = Boolean(asked.file);
      this.sentence.textContent = found.sentence;
      this.showKnobs(found);
      this.table.show(found.table, found.problems, this.changes);
      this.say(Object.entries(found.problems).map(([key, text]) => (key ? `${key}: ${text}` : text)).join(" "));
      this.estimate.ready(!Object.keys(found.problems).length && asked.data.length > 0);
    }

    showKnobs(found) {
      const key = found.knobs.map((one) => one.key).join(" ");
      if (key !== this.knobsFor) {
        this.knobsFor = key;
        this.inputs = new Map(
          found.knobs.map((one) => {
            const input = space.make("input", { type: "text", inputmode: "decimal", class: "tr-input", autocomplete: "off", id: "knob-" + one.key.replace(".", "-") });
            input.addEventListener("input", () => this.change(one.key, input.value));
            input.addEventListener("blur", () => (input.value = this.changes[one.key] || input.dataset.value));
            return [one.key, input];
          })
        );
        this.knobs.replaceChildren(...found.knobs.map((one) => field(one.label, this.inputs.get(one.key), one.help)));
      }
      for (const one of found.knobs) {
        const input = this.inputs.get(one.key);
        const bad = found.problems[one.key] || "";
        input.dataset.value = one.value;
        if (document.activeElement !== input) input.value = this.changes[one.key] || one.value;
        input.setAttribute("aria-invalid", String(Boolean(bad)));
        input.title = [one.help, one.bounds].filter(Boolean).join("; ");
      }
    }

    say(text) {
      this.problem.textContent = text;
    }
  }

  function fill(select, options, value) {
    const key = JSON.stringify(options);
    if (select.dataset.key !== key) {
      select.dataset.key = key;
      select.replaceChildren(...options.map((one) => space.make("option", { value: String(one.value) }, one.words)));
    }
    select.value = value;
    if (select.selectedIndex < 0) select.selectedIndex = 0;
  }

  /** A control under its name. */
  function field(name, control, help) {
    const made = space.make("label", { class: "tr-field" }, space.make("span", {}, name), control);
    if (help) made.append(space.make("small", {}, help));
    return made;
  }

  Object.assign(space, { TrainForm, field, fillSelect: fill });
})();
