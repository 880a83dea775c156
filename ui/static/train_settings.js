/* Every setting of a recipe in a table, searched by a word; what it will take, and Start. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  class SettingsTable {
    /** @param {(key: string, value: string) => void} change called with every key pressed */
    constructor(change) {
      const { make } = space;
      this.change = change;
      this.rows = new Map();
      this.search = make("input", { type: "search", class: "tr-input", id: "train-search", placeholder: "Search the settings", "aria-label": "Search the settings" });
      this.body = make("tbody", {});
      const head = make("tr", {}, ...["Setting", "Value", "What it does"].map((text) => make("th", { scope: "col" }, text)));
      const table = make("table", { class: "tr-table", "aria-label": "All settings" }, make("thead", {}, head), this.body);
      this.element = make("div", { class: "tr-all" }, this.search, make("div", { class: "tr-scroll", tabindex: "0", "aria-label": "All settings", role: "region" }, table));
      this.search.addEventListener("input", () => this.filter());
    }

    /** @param {Array} table as the server tells @param {Object<string, string>} problems @param {Object<string, string>} changes as typed */
    show(table, problems, changes) {
      const { make } = space;
      const key = table.map((one) => one.key).join(" ");
      if (key !== this.key) {
        this.key = key;
        this.rows = new Map();
        this.body.replaceChildren(
          ...table.map((one) => {
            const input = make("input", { type: "text", class: "tr-input", autocomplete: "off", spellcheck: "false", "aria-label": one.key });
            const help = make("td", {}, one.help);
            const row = make("tr", {}, make("th", { scope: "row" }, one.key), make("td", {}, input), help);
            if (one.bounds) help.append(make("em", {}, ` ${one.bounds}`));
            const problem = make("span", { class: "tr-problem" });
            help.append(problem);
            input.addEventListener("input", () => this.change(one.key, input.value));
            input.addEventListener("blur", () => {
              if (!input.value.trim()) input.value = input.dataset.value;
            });
            row.dataset.words = `${one.key} ${one.help}`.toLowerCase();
            this.rows.set(one.key, { row, input, problem });
            return row;
          })
        );
      }
      for (const one of table) {
        const { row, input, problem } = this.rows.get(one.key);
        input.dataset.value = one.value;
        if (document.activeElement !== input) input.value = changes[one.key] || one.value;
        row.dataset.changed = String(one.key in changes);
        problem.textContent = problems[one.key] || "";
        input.setAttribute("aria-invalid", String(Boolean(problems[one.key])));
      }
      this.filter();
    }

    filter() {
      const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const { row } of this.rows.values()) row.hidden = !words.every((word) => row.dataset.words.includes(word));
    }
  }

  class EstimateStep {
    /** @param {object} desk see train.js @param {() => object} form what is asked for now */
    constructor(desk, form) {
      const { make } = space;
      this.desk = desk;
      this.form = form;
      this.lines = make("ul", { class: "tr-lines", id: "train-lines" });
      this.details = make("pre", { class: "tr-log", tabindex: "0", "aria-label": "Details of the estimate" });
      this.fold = make("details", { class: "tr-fold", hidden: "" }, make("summary", {}, "Details"), this.details);
      this.said = make("p", { class: "tr-said", id: "train-start-said", role: "status" }, "Choose pictures first.");
      const button = (id, text, strong) => make("button", { type: "button", class: "tr-button" + (strong ? " strong" : ""), id, disabled: "" }, text);
      this.count = button("train-estimate", "Estimate");
      this.measure = button("train-measure", "Measure on this machine");
      this.go = button("train-go", "Start the training", true);
      this.count.addEventListener("click", () => this.estimate(false));
      this.measure.addEventListener("click", () => this.estimate(true));
      this.go.addEventListener("click", () => this.begin());
      this.element = make("section", { class: "tr-card", "aria-labelledby": "train-step-3" }, make("h2", { id: "train-step-3" }, "3 · What it will take"));
      this.element.append(
        make("p", { class: "tr-soft" }, "The estimate counts; measuring takes some ten seconds and tells the hours more exactly."),
        make("div", { class: "tr-acts" }, this.count, this.measure, this.go), this.said, this.lines, this.fold
      );
    }

    /** The form was changed: what was estimated no longer holds. */
    stale() {
      this.mine = null;
      this.lines.replaceChildren();
      this.fold.hidden = true;
      this.ready(false);
    }

    ready(yes) {
      for (const button of [this.count, this.measure, this.go]) button.disabled = !yes;
      if (yes) this.tell("", "");
      else if (!this.form().data.length) this.tell("", "Choose pictures first.");
    }

    async estimate(trial) {
      const mine = (this.mine = {});
      this.tell("", trial ? "Trying a few steps on this machine…" : "Counting…");
      try {
        const begun = await this.desk.ask("estimate", { form: this.form(), trial });
        const found = await this.desk.task(begun.task);
        if (mine !== this.mine) return;
        this.lines.replaceChildren(...found.lines.map((text) => space.make("li", {}, text)));
        this.details.textContent = found.details.join("\n");
        this.fold.hidden = false;
        this.tell("", "");
      } catch (error) {
        if (mine === this.mine) this.tell("bad", error.message);
      }
    }

    async begin() {
      this.go.disabled = true;
      this.tell("", "Starting…");
      try {
        const { run } = await this.desk.ask("start", { form: this.form() });
        this.tell("", "");
        await this.desk.open(run);
      } catch (error) {
        this.tell("bad", error.message);
      } finally {
        this.go.disabled = false;
      }
    }

    tell(kind, text) {
      this.said.dataset.kind = kind;
      this.said.textContent = text;
    }
  }

  Object.assign(space, { SettingsTable, EstimateStep });
})();
