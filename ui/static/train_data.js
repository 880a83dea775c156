/* Step 1 of a training: the datasets of the workspace, and bringing in another one. Bringing in never trains. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const PARTS = { train: "to train on", val: "to watch with", test: "to test with" };

  class DataStep {
    /** @param {object} desk see train.js @param {() => void} changed called when others are chosen */
    constructor(desk, changed) {
      const { make } = space;
      this.desk = desk;
      this.changed = changed;
      this.picked = new Set();
      this.known = null;
      this.thumbs = new Map(); // name -> promise of small pictures
      this.list = make("ul", { class: "tr-datasets", id: "train-datasets" });
      this.send = make("button", { type: "button", class: "tr-button", id: "train-import" }, "Bring in a zip…");
      this.path = make("input", { type: "text", class: "tr-input", id: "train-path", autocomplete: "off", spellcheck: "false", placeholder: "/path/to/folder or zip" });
      this.look = make("button", { type: "button", class: "tr-button", id: "train-look" }, "Look through it");
      this.local = make("div", { class: "tr-path", hidden: "" }, space.field("or a folder or zip of this computer", this.path), this.look);
      this.shared = make("p", { class: "tr-soft", hidden: "" }, "This studio is shared, so pictures arrive as a zip only; its own folders cannot be named.");
      this.bar = make("div", { class: "tr-bar", role: "progressbar", "aria-label": "Bringing in", hidden: "" }, make("span", {}));
      this.stop = make("button", { type: "button", class: "tr-button", id: "train-import-stop", hidden: "" }, "Stop");
      this.said = make("p", { class: "tr-said", id: "train-data-said", role: "status" });
      this.report = make("div", { id: "train-report", hidden: "" });
      this.element = make("section", { class: "tr-card", id: "train-data", "aria-labelledby": "train-step-1" });
      const bring = make("div", { class: "tr-bring" }, make("p", {}, make("strong", {}, "Bring in pictures: "), "drop a zip here, or"), this.send, this.local);
      this.element.append(
        make("h2", { id: "train-step-1", tabindex: "-1" }, "1 · Pictures"),
        make("p", { class: "tr-soft" }, "Pictures with outlines as Kvasir-SEG, PraNet, ISIC, nnU-Net, COCO, prompt.json or folders images/ and masks/. " +
          "They stay on the computer that runs this studio. Looking through and bringing in trains nothing."),
        this.list, bring, this.shared, make("div", { class: "tr-acts" }, this.bar, this.stop), this.said, this.report
      );
      space.filePicker(this.send, (file) => this.take(file));
      space.dropZone(this.element, (file) => this.take(file));
      this.look.addEventListener("click", () => this.inspect(() => ({ path: this.path.value })));
      this.path.addEventListener("keydown", (event) => {
        if (event.key === "Enter") this.look.click();
      });
      this.stop.addEventListener("click", () => this.halt());
    }

    focus() {
      this.element.querySelector("h2").focus();
    }

    chosen() {
      return (this.known || []).filter((one) => this.picked.has(one.name)).map((one) => one.name);
    }

    /** Ask which datasets there are. @param {string[]} [pick] those to choose */
    async read(pick) {
      try {
        const found = await this.desk.ask("datasets");
        this.known = found.datasets;
        this.local.hidden = !found.here_only;
        this.shared.hidden = found.here_only;
        if (pick) this.picked = new Set(pick);
        this.show();
      } catch (error) {
        this.tell("bad", error.message);
      }
    }

    show() {
      const { make } = space;
      if (!this.known.length) this.list.replaceChildren(make("li", { class: "tr-empty" }, "No pictures here yet."));
      else this.list.replaceChildren(...this.known.map((one) => this.row(one)));
    }

    row(one) {
      const { make } = space;
      const box = make("input", { type: "checkbox", value: one.name });
      box.checked = this.picked.has(one.name);
      box.disabled = Boolean(one.problem);
      box.addEventListener("change", () => {
        if (box.checked) this.picked.add(one.name);
        else this.picked.delete(one.name);
        this.changed();
      });
      const count = space.counted(one.count, "picture");
      const parts = Object.entries(one.splits).map(([name, number]) => `${number.toLocaleString("en")} ${PARTS[name]}`);
      const words = make("span", { class: "tr-dataset-words" }, make("strong", {}, one.name));
      words.append(make("span", { class: "tr-soft" }, one.problem || `${count}: ${parts.join(", ")}`));
      const thumbs = make("span", { class: "tr-thumbs", "aria-hidden": "true" });
      if (!one.problem) this.fill(thumbs, one);
      return make("li", {}, make("label", { class: "tr-dataset" }, box, words, thumbs));
    }

    async fill(place, one) {
      const key = `${one.name} ${one.count}`;
      if (!this.thumbs.has(key)) this.thumbs.set(key, this.desk.ask("small", { name: one.name }));
      try {
        const { thumbs } = await this.thumbs.get(key);
        place.replaceChildren(...thumbs.filter(Boolean).map((png) => space.make("img", { alt: "", src: "data:image/png;base64," + png })));
      } catch (error) {
        this.thumbs.delete(key);
      }
    }

    /** A zip was dropped or chosen. */
    take(file) {
      this.inspect(async () => {
        const upload = await space.upload(this.desk, file, (part) => this.progress(`${file.name} is being sent`, 100 * part, 100), this.wish);
        return { upload };
      });
    }

    async inspect(source) {
      await this.work(async () => {
        const found = await this.follow((await this.desk.ask("inspect", await source())).task);
        this.tell("", "");
        this.report.hidden = false;
        new space.ReportView(this.report, this.desk, found, {
          bring: (name, choices) => this.bring(found.report, name, choices),
          discard: () => this.discard(found.report),
        });
      });
    }

    async bring(report, name, choices) {
      await this.work(async () => {
        const made = await this.follow((await this.desk.ask("bring", { report, name, choices })).task);
        this.close();
        this.picked = new Set([made.name]);
        await this.read();
        this.tell("good", `${made.name} is here: ${space.counted(made.count, "picture")}. Nothing is trained yet; look at the settings below.`);
        this.changed();
      });
    }

    async discard(report) {
      this.close();
      this.tell("", "Nothing was brought in.");
      try {
        await this.desk.ask("forget", { report });
      } catch (error) {
        console.warn(error); // the server forgets it by itself
      }
    }

    /** One piece of work at a time, that Stop ends. */
    async work(act) {
      if (this.wish && !this.wish.ended) return;
      this.wish = { stopped: false, ended: false, task: null };
      this.stop.hidden = this.bar.hidden = false;
      this.bar.firstChild.style.width = "0";
      this.send.disabled = this.look.disabled = true;
      this.report.inert = true;
      try {
        await act();
      } catch (error) {
        this.tell(error.stopped ? "" : "bad", error.message);
      } finally {
        this.wish.ended = true;
        this.stop.hidden = this.bar.hidden = true;
        this.send.disabled = this.look.disabled = this.report.inert = false;
      }
    }

    follow(task) {
      this.wish.task = task;
      if (this.wish.stopped) this.halt();
      return this.desk.task(task, (found) => this.progress(found.text, found.step, found.total));
    }

    async halt() {
      this.wish.stopped = true;
      this.tell("", "Stopping…");
      if (!this.wish.task) return;
      try {
        await this.desk.ask("cancel", { task: this.wish.task });
      } catch (error) {
        this.tell("bad", error.message);
      }
    }

    progress(text, step, total) {
      if (this.wish.stopped) return;
      const part = total ? Math.round((100 * step) / total) : 0;
      this.bar.firstChild.style.width = `${part}%`;
      this.bar.setAttribute("aria-valuenow", String(part));
      this.tell("", `${text || "Looking through the pictures"}… ${total ? part + " %" : ""}`);
    }

    close() {
      this.report.hidden = true;
      this.report.replaceChildren();
    }

    tell(kind, text) {
      this.said.dataset.kind = kind;
      this.said.textContent = text;
    }
  }

  space.DataStep = DataStep;
})();
