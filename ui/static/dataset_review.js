/* Step 4 of a set: what the rules flag, what they cost, and a contact sheet that a person decides by keyboard. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const PAGE = 24; // cells of one page of the sheet
  const REASONS = { t: "texture", c: "colour", v: "vessels", b: "border", n: "anatomy", f: "artefact" };
  const HELP = "Arrows: from picture to picture · A accept · R reject · T texture, C colour, V vessels, B border, N anatomy, F artefact: reject for that reason · U undo · Page Up and Page Down";
  const SHOW = [["waiting", "to decide"], ["flagged", "flagged"], ["rejected", "rejected"], ["accepted", "accepted"], ["all", "all"]];

  class ReviewStep {
    /** @param {object} desk see dataset.js */
    constructor(desk) {
      const { make } = space;
      this.desk = desk;
      this.shown = "waiting";
      this.at = 0;
      this.undone = [];
      this.found = null;
      this.changed = Promise.resolve();
      this.decided = Promise.resolve();
      this.cells = [];
      this.told = null; // the picture that is looked at
      this.reads = 0;
      this.drawn = new Map(); // rule → its chart
      this.asked = 0;
      this.counts = make("div", { class: "ds-counts", id: "dataset-counts" });
      this.notes = make("ul", { class: "tr-lines", id: "dataset-notes" });
      this.details = make("ul", { class: "tr-lines" });
      this.charts = make("div", { class: "tr-charts", id: "dataset-charts" });
      this.filter = make("div", { class: "tr-segments", role: "group", "aria-label": "Which pictures" });
      this.pages = make("div", { class: "tr-acts" });
      this.sheet = make("div", { class: "ds-sheet", id: "dataset-sheet", role: "grid", "aria-label": "Contact sheet" });
      this.about = make("div", { class: "ds-about", id: "dataset-about", "aria-live": "polite" });
      this.said = make("p", { class: "tr-said", id: "dataset-review-said", role: "status" });
      this.element = make("section", { class: "tr-stack", id: "dataset-step-4" });
      const top = make("div", { class: "tr-card" }, make("h2", { tabindex: "-1" }, "4 · Review"), this.counts, this.notes);
      top.append(make("details", { class: "tr-fold" }, make("summary", {}, "What was compared, and how"), this.details));
      const rules = make("details", { class: "tr-fold tr-card", id: "dataset-rules" }, make("summary", {}, "The rules, and what each costs"));
      rules.append(make("p", { class: "tr-soft" }, "Drag a line, or type. Beyond it a picture is flagged for you; it is rejected only by you, or by a rule set to reject."), this.charts);
      const sheet = make("div", { class: "tr-card" }, make("div", { class: "tr-tools" }, this.filter, this.pages), make("p", { class: "tr-soft" }, HELP), this.said, make("div", { class: "ds-review" }, this.sheet, this.about));
      this.element.append(top, sheet, rules);
      this.sheet.addEventListener("keydown", (event) => this.key(event));
      rules.addEventListener("toggle", () => rules.open && this.rules());
      this.fold = rules;
    }

    stale() {
      this.found = null;
      this.at = 0;
      this.shown = "waiting";
      this.undone = [];
      this.asked += 1; // an answer about another set comes too late
      this.reads += 1;
      this.told = null;
      this.drawn = new Map();
      this.charts.replaceChildren();
    }

    async open() {
      await this.read();
      if (this.found && this.shown === "waiting" && !this.found.total) {
        this.shown = this.found.counts.flagged ? "flagged" : "all";
        await this.read();
      }
      if (this.fold.open) await this.rules();
    }

    /** @param {number} [focus] the cell that gets the focus; without it whoever has it keeps it */
    async read(focus) {
      const mine = ++this.reads;
      try {
        const found = await this.desk.ask("review", { set: this.desk.set(), show: this.shown, at: this.at, most: PAGE });
        if (mine !== this.reads) return; // a later question has the later answer
        if (!this.found) this.tell("", "");
        this.found = found;
        this.at = found.at;
        this.show(focus);
      } catch (error) {
        this.tell("bad", error.message);
      }
      this.desk.foot();
    }

    show(focus) {
      const { make } = space;
      const { counts, cells, total } = this.found;
      const words = [["accepted", "accepted"], ["flagged", "flagged, to decide"], ["rejected", "rejected"]];
      this.counts.replaceChildren(...words.map(([key, text]) => make("div", { "data-kind": key }, make("strong", {}, counts[key].toLocaleString("en")), make("span", {}, text))));
      this.notes.replaceChildren(...this.found.headlines.map((line) => make("li", {}, line)));
      this.details.replaceChildren(...this.found.details.map((line) => make("li", {}, line)));
      this.filter.replaceChildren(
        ...SHOW.map(([value, text]) => {
          const button = make("button", { type: "button", class: "tr-segment", "aria-pressed": String(value === this.shown) }, text);
          button.addEventListener("click", () => this.pick(value));
          return button;
        })
      );
      const last = Math.max(0, Math.ceil(total / PAGE) - 1);
      const page = Math.floor(this.at / PAGE);
      const turn = (words, to, on) => {
        const button = make("button", { type: "button", class: "tr-button" }, words);
        button.disabled = !on;
        button.addEventListener("click", () => this.turn(to));
        return button;
      };
      this.pages.replaceChildren(turn("‹", page - 1, page > 0), make("span", {}, total ? `${this.at + 1}–${this.at + cells.length} of ${total.toLocaleString("en")}` : "none"), turn("›", page + 1, page < last));
      const held = this.cells.indexOf(document.activeElement); // an answer that comes late moves nobody away
      this.cells = cells.map((cell) => this.cell(cell));
      if (cells.length) this.sheet.replaceChildren(...this.cells);
      else this.sheet.replaceChildren(make("p", { class: "tr-empty" }, this.shown === "waiting" ? "Nothing waits for you." : "No such picture."));
      this.about.replaceChildren();
      const to = focus ?? (held < 0 ? undefined : held);
      const kept = focus === undefined && this.told && this.cells.find((one) => one.dataset.id === this.told.id);
      const chosen = kept || this.cells[Math.min(to ?? 0, this.cells.length - 1)];
      this.cells.forEach((one) => (one.tabIndex = one === chosen ? 0 : -1));
      if (chosen && to !== undefined) chosen.focus();
      else if (chosen) this.tellOf(cells[this.cells.indexOf(chosen)]);
    }

    cell(cell) {
      const { make } = space;
      const image = make("img", { alt: "", src: "data:image/jpeg;base64," + cell.picture });
      const mark = { accepted: "✓", flagged: "⚑", rejected: "✕" }[cell.state];
      const button = make("button", { type: "button", class: "ds-cell", role: "gridcell", "data-id": cell.id, "data-state": cell.state }, image, make("span", { class: "ds-mark", "aria-hidden": "true" }, cell.copy ? `${mark} copy?` : mark));
      button.setAttribute("aria-label", `${cell.id}, ${cell.state}${cell.reasons.length ? ": " + cell.reasons.join("; ") : ""}`);
      button.addEventListener("focus", () => {
        this.cells.forEach((one) => (one.tabIndex = one === button ? 0 : -1));
        this.tellOf(cell);
      });
      button.addEventListener("click", () => button.focus());
      return button;
    }

    async tellOf(cell) {
      const { make } = space;
      this.told = cell;
      const acts = make("div", { class: "tr-acts" });
      const act = (words, word, reason, key) => {
        const button = make("button", { type: "button", class: "tr-button", title: `Key ${key}` }, words);
        button.addEventListener("click", () => this.click(cell, word, reason));
        return button;
      };
      acts.append(act("Accept", "accept", "", "A"), act("Reject", "reject", "other", "R"));
      for (const [key, reason] of Object.entries(REASONS)) acts.append(act(reason, "reject", reason, key.toUpperCase()));
      const rows = cell.figures.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
      const pair = make("div", { class: "ds-two" }, make("figure", {}, make("img", { alt: `picture ${cell.id} with its outline`, src: "data:image/jpeg;base64," + cell.picture }), make("figcaption", {}, `${cell.id}, synthetic`)));
      const said = cell.decided ? [make("p", { class: "tr-soft" }, cell.decided)] : [];
      this.about.replaceChildren(pair, make("ul", { class: "tr-lines" }, ...cell.reasons.map((one) => make("li", {}, one))), ...said, acts, make("dl", { class: "tr-figures" }, ...rows));
      if (!cell.copy) return;
      const mine = (this.pairing = {});
      try {
        const { real, words } = await this.desk.ask("twin", { set: this.desk.set(), id: cell.id });
        if (mine !== this.pairing || !real) return;
        pair.append(make("figure", {}, make("img", { alt: "the nearest real training picture", src: "data:image/jpeg;base64," + real }), make("figcaption", {}, words)));
      } catch (error) {
        this.tell("bad", error.message);
      }
    }

    /** @param {KeyboardEvent} event */
    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const i = this.cells.indexOf(document.activeElement);
      if (i < 0) return;
      const columns = getComputedStyle(this.sheet).gridTemplateColumns.split(" ").length;
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
      const key = event.key.toLowerCase();
      if (event.repeat && !by) return; // a key held down decides one picture
      if (by) this.cells[Math.max(0, Math.min(this.cells.length - 1, i + by))].focus();
      else if (event.key === "PageDown") this.turn(Math.floor(this.at / PAGE) + 1, 0);
      else if (event.key === "PageUp") this.turn(Math.floor(this.at / PAGE) - 1, 0);
      else if (key === "a") this.press(i, "accept", "");
      else if (key === "r") this.press(i, "reject", "other");
      else if (key === "u") this.undo();
      else if (REASONS[key]) this.press(i, "reject", REASONS[key]);
      else return;
      event.preventDefault();
    }

    /** By a key: the next picture has the focus at once, so quick keys decide one picture after the other. */
    press(i, word, reason) {
      const cell = this.found.cells[i];
      this.cells[Math.min(i + 1, this.cells.length - 1)].focus();
      this.write((...where) => this.decide(cell, word, reason, ...where));
    }

    /** By a button: the next picture comes when this one is on the disk, so a second click decides no other. */
    click(cell, word, reason) {
      this.write(async (...where) => {
        await this.decide(cell, word, reason, ...where);
        const i = this.found?.cells.findIndex((one) => one.id === cell.id) ?? -1;
        if (this.told === cell && i >= 0) return this.shown === "waiting" ? i : i + 1;
      });
    }

    async decide(cell, word, reason, set, undone) {
      const before = { id: cell.id, word: cell.word, reason: cell.reason };
      await this.desk.ask("decide", { set, id: cell.id, word, reason });
      Object.assign(cell, { word, reason });
      undone.push(before);
      this.tell("good", `${cell.id} ${word === "accept" ? "accepted" : `rejected: ${reason}`}.`);
    }

    undo() {
      this.write(async (set, undone) => {
        const last = undone.at(-1);
        if (!last) return this.tell("", "Nothing to undo.");
        await this.desk.ask("decide", { set, ...last });
        undone.pop();
        this.tell("good", `${last.id} is as it was.`);
      });
    }

    /** In the order of the keys, in the set where they were pressed; `act` may give the cell that gets the focus. */
    write(act) {
      const [set, undone] = [this.desk.set(), this.undone];
      this.decided = this.decided.then(async () => {
        try {
          const focus = await act(set, undone);
          if (undone === this.undone) await this.read(focus); // else another set is open by now
        } catch (error) {
          this.tell("bad", error.message);
        }
      });
    }

    pick(value) {
      this.shown = value;
      this.at = 0;
      this.read();
    }

    turn(page, focus) {
      const last = Math.max(0, Math.ceil(this.found.total / PAGE) - 1);
      if (page < 0 || page > last) return;
      this.at = page * PAGE;
      this.read(focus);
    }

    async rules() {
      const mine = ++this.asked;
      try {
        const { rules } = await this.desk.ask("rules", { set: this.desk.set() });
        if (mine !== this.asked) return; // a later question has the later answer
        if (rules.map((rule) => rule.key).join() === [...this.drawn.keys()].join()) {
          for (const rule of rules) this.drawn.get(rule.key).show(rule); // in place: somebody may be typing there
          return;
        }
        this.drawn = new Map(rules.map((rule) => [rule.key, new space.RuleChart(rule, (...change) => this.change(...change))]));
        this.charts.replaceChildren(...[...this.drawn.values()].map((chart) => chart.element));
      } catch (error) {
        this.tell("bad", error.message);
      }
    }

    /** One after the other, so that the charts show what the last one made of it. */
    change(change, settled) {
      const set = this.desk.set();
      this.changed = this.changed.then(async () => {
        try {
          await this.desk.ask("set_rule", { set, ...change });
        } catch (error) {
          this.tell("bad", error.message);
        }
        settled();
        await this.rules();
        await this.read();
      });
    }

    tell(kind, text) {
      this.said.dataset.kind = kind;
      this.said.textContent = text;
    }

    next() {
      if (!this.found && this.said.dataset.kind === "bad") return { words: "", label: "Try again", act: () => this.open() };
      if (!this.found) return { words: "", label: "Next: export", wait: true };
      const { counts, blocked } = this.found;
      if (blocked) return { words: `${space.counted(blocked, "possible copy", "possible copies")} must be decided before an export.`, label: "Next: export", act: () => this.desk.go(4) };
      const words = counts.flagged ? `${space.counted(counts.flagged, "flagged picture")} that nobody decided will be left out.` : "Nothing waits for you.";
      return { words, label: "Next: export", act: () => this.desk.go(4) };
    }
  }

  Object.assign(space, { ReviewStep });
})();
