/* Step 5 of a set: which layouts, beside which real pictures; written, verified, taken away. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  class ExportStep {
    /** @param {object} desk see dataset.js */
    constructor(desk) {
      const { make, field } = space;
      this.desk = desk;
      this.layouts = make("div", { class: "ds-layouts", id: "dataset-layouts" });
      this.merge = make("input", { type: "checkbox", id: "dataset-merge" });
      this.square = make("input", { type: "checkbox", id: "dataset-square" });
      this.stems = make("input", { type: "checkbox", id: "dataset-stems" });
      this.words = {};
      for (const name of ["title", "licence", "sources", "consent", "contact"]) this.words[name] = make("input", { type: "text", class: "tr-input", id: `dataset-${name}`, maxlength: "400", placeholder: name === "title" ? "" : "not stated" });
      this.bar = make("div", { class: "tr-bar", role: "progressbar", "aria-label": "Writing", hidden: "" }, make("span", {}));
      this.stop = make("button", { type: "button", class: "tr-button", id: "dataset-export-stop", hidden: "" }, "Stop");
      this.said = make("p", { class: "tr-said", id: "dataset-export-said", role: "status" });
      this.done = make("div", { class: "tr-report", id: "dataset-export-done", hidden: "" });
      const tick = (box, words, about) => make("label", { class: "ds-choice" }, box, make("span", {}, make("strong", {}, words), make("span", { class: "tr-soft" }, about)));
      this.element = make("section", { class: "tr-card", id: "dataset-step-5" });
      this.element.append(
        make("h2", { tabindex: "-1" }, "5 · Export"), make("h3", {}, "For which trainers"), this.layouts,
        tick(this.merge, "Real pictures too", "Train, val and test of the real dataset beside the synthetic pictures, which go into train alone; with lists for the honest comparison."),
        tick(this.square, "Square", "Else synthetic pictures take the aspect of the pictures their masks came from."),
        tick(this.stems, "Keep the names of the source pictures", "Names may identify patients. Else names are neutral; a key file stays here."),
        make("div", { class: "tr-knobs wide" }, field("Title", this.words.title), field("Licence of this dataset", this.words.licence), field("Licence of its sources", this.words.sources), field("Basis of consent", this.words.consent), field("Contact", this.words.contact)),
        make("div", { class: "tr-acts" }, this.bar, this.stop), this.said, this.done
      );
      this.element.addEventListener("input", () => {
        this.done.hidden = true; // what was written is not what is wished now
        this.desk.foot();
      });
      this.stop.addEventListener("click", () => this.task && this.desk.ask("cancel", { task: this.task }).catch((error) => this.tell("bad", error.message)));
    }

    stale() {
      this.done.hidden = true;
      this.tell("", "");
      this.offered = null;
    }

    async open() {
      try {
        const found = await this.desk.ask("export_offers", { set: this.desk.set() });
        this.offered = found;
        if (!this.layouts.childElementCount)
          this.layouts.append(
            ...found.layouts.map(({ key, words, about }) => {
              const box = space.make("input", { type: "checkbox", value: key });
              box.checked = key === found.usual;
              box.addEventListener("change", () => this.desk.foot());
              return space.make("label", { class: "ds-choice" }, box, space.make("span", {}, space.make("strong", {}, words), space.make("span", { class: "tr-soft" }, about)));
            })
          );
        this.merge.disabled = !found.real;
        if (!this.real || this.real !== this.desk.set()) {
          this.merge.checked = Boolean(found.real);
          this.words.title.value = found.title;
        }
        this.real = this.desk.set();
        if (!this.working) this.tell(found.problem ? "bad" : "", found.problem);
      } catch (error) {
        this.tell("bad", error.message);
      }
      this.desk.foot();
    }

    chosen() {
      return [...this.layouts.querySelectorAll("input:checked")].map((one) => one.value);
    }

    async write() {
      this.working = true;
      this.done.hidden = true;
      this.desk.foot();
      const asked = { layouts: this.chosen(), merge: this.merge.checked, square: this.square.checked, stems: this.stems.checked };
      for (const [name, input] of Object.entries(this.words)) asked[name] = input.value.trim();
      try {
        this.task = (await this.desk.ask("export_set", { set: this.desk.set(), ...asked })).task;
        this.stop.hidden = this.bar.hidden = false;
        const found = await this.desk.task(this.task, (task) => {
          this.tell("", task.total ? `${task.text} ${task.step.toLocaleString("en")} of ${task.total.toLocaleString("en")}` : task.text);
          this.bar.firstChild.style.width = task.total ? `${(100 * task.step) / task.total}%` : "0";
        });
        this.tell("good", "Written and verified.");
        this.show(found);
      } catch (error) {
        this.tell(error.stopped ? "" : "bad", error.message);
      }
      this.task = null;
      this.stop.hidden = this.bar.hidden = true;
      this.working = false;
      this.desk.foot();
    }

    show(found) {
      const { make } = space;
      const fetch = (this.fetch = make("button", { type: "button", class: "tr-button strong", id: "dataset-fetch" }, `Download the zip (${found.size})`));
      fetch.addEventListener("click", async () => {
        fetch.disabled = true;
        try {
          await space.fetched(this.desk, await this.desk.ask("export_zip", { set: this.desk.set(), name: found.name }));
        } catch (error) {
          this.tell("bad", error.message);
        }
        fetch.disabled = false;
      });
      this.fetched = found.fetched;
      const large = found.fetched ? [] : [`The zip has ${found.size}, too much for a browser to fetch: take it from the folder below.`];
      const lines = [...found.lines, ...large, `sha256 of the zip: ${found.sha256}`];
      this.done.replaceChildren(make("h3", {}, "Your dataset"), make("ul", { class: "tr-lines" }, ...lines.map((line) => make("li", {}, line))), make("div", { class: "tr-acts" }, ...(found.fetched ? [fetch] : [])), make("p", { class: "tr-soft" }, found.where));
      this.done.hidden = false;
      this.done.scrollIntoView({ block: "nearest" });
    }

    tell(kind, text) {
      this.said.dataset.kind = kind;
      this.said.textContent = text;
    }

    next() {
      if (!this.offered && this.said.dataset.kind === "bad") return { words: "", label: "Try again", act: () => this.open() };
      if (!this.offered) return { words: "", label: "Export", wait: true };
      if (!this.done.hidden && !this.working) return { words: "Your dataset is ready.", label: this.fetched ? "Download the zip" : "", act: () => this.fetch.click() };
      if (this.offered.problem) return { words: this.offered.problem, label: "Back to review", act: () => this.desk.go(3) };
      const words = this.working ? "Writing…" : this.chosen().length ? `${space.counted(this.offered.pictures, "synthetic picture")} will be written.` : "Choose at least one layout.";
      return { words, label: "Export", wait: this.working || !this.chosen().length, act: () => this.write() };
    }
  }

  Object.assign(space, { ExportStep });
})();
