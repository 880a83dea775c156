/* The strip of small pictures: what was decided about each, filters, keys, and the choice of two to compare. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const STATES = { new: ["○", "new"], accepted: ["✓", "accepted"], rejected: ["✕", "rejected"] };
  const SIZES = ["small", "medium", "large"];
  const BATCH = 12; // small pictures of one request
  const HELP =
    "Keys while the strip has the focus: arrows previous and next, A accept, R reject and then 1 to 6 for a reason, " +
    "F favourite, U undo, C compare.";

  class Gallery {
    /**
     * @param {HTMLElement} tools row of buttons
     * @param {HTMLElement} element where strip and filters go
     * @param {object} panel see picture.js
     * @param {string[]} reasons six words for a rejection
     */
    constructor(tools, element, panel, reasons) {
      this.panel = panel;
      this.reasons = reasons;
      this.list = []; // newest first
      this.buttons = new Map(); // id -> element
      this.chosen = null; // id of the selected picture
      this.undoStack = [];
      this.first = null; // the first of two to compare
      this.asking = null; // reject was pressed: a reason may follow
      this.acted = Promise.resolve(); // the keys pressed so far
      this.waiting = new Set(); // small pictures to fetch
      this.fill(tools, element);
      this.eyes = new IntersectionObserver((seen) => this.seen(seen), { root: this.strip, rootMargin: "200px" });
    }

    fill(tools, element) {
      const make = space.make;
      const button = (id, text, title, act) => space.panelButton(text, title, act, { id, disabled: "" });
      this.accept = button("accept", "✓ Accept", "Accept (A)", () => this.decide("accepted"));
      this.reject = button("reject", "✕ Reject", "Reject (R, then 1 to 6 for a reason)", () => this.decide("rejected"));
      this.favourite = button("favourite", "☆", "Favourite (F)", () => this.star());
      this.undoButton = button("undo-judgement", "↶", "Undo the last decision (U)", () => this.undo());
      this.pick = button("pick", "A|B", "Compare: choose this picture as A, then another as B (C)", () => this.mark());
      this.why = make("div", { class: "pv-why", role: "group", "aria-label": "Reason for the rejection", hidden: "" });
      this.why.append(
        make("span", {}, "Why?"),
        ...this.reasons.map((reason, i) => space.panelButton(`${i + 1} ${reason}`, `Reason: ${reason} (${i + 1})`, () => this.because(i))),
        space.panelButton("none", "Give no reason (Escape)", () => this.ask(null))
      );
      tools.append(this.accept, this.reject, this.favourite, this.undoButton, this.pick, this.why);
      this.strip = make("div", { id: "gallery", class: "pv-gallery", role: "group", "aria-label": "Pictures made so far. " + HELP, title: HELP });
      this.strip.addEventListener("keydown", (event) => this.key(event));
      this.state = this.select_("filter-state", "Show by decision", ["all", "new", "accepted", "rejected", "favourites"]);
      this.size = this.select_("filter-area", "Show by lesion area", ["any area", ...SIZES]);
      this.counts = make("span", { class: "pv-counts", id: "counts" });
      element.append(this.strip, make("div", { class: "pv-filter" }, this.state, this.size, this.counts));
      this.why.addEventListener("keydown", (event) => this.key(event));
    }

    select_(id, name, words) {
      const select = space.make("select", { id, class: "pv-select", "aria-label": name, title: name });
      select.append(...words.map((word) => space.make("option", { value: word }, word)));
      select.addEventListener("change", () => this.render());
      return select;
    }

    /** Fetch the list anew. */
    async refresh() {
      try {
        this.list = (await this.panel.ask("listing", {})).pictures;
        this.render();
      } catch (error) {
        this.panel.say(error.message);
      }
    }

    get(id) {
      return this.list.find((entry) => entry.id === id) || null;
    }

    /** Two areas that part the gallery into thirds. */
    thirds() {
      const areas = this.list.map((entry) => entry.area).sort((a, b) => a - b);
      return [areas[Math.floor(areas.length / 3)] || 0, areas[Math.floor((2 * areas.length) / 3)] || 0];
    }

    sizeOf(entry, [low, high]) {
      return SIZES[entry.area < low ? 0 : entry.area < high ? 1 : 2];
    }

    /** The pictures that the filter lets through. */
    filtered() {
      const thirds = this.thirds();
      return this.list.filter((entry) => {
        const state = this.state.value;
        const right = state === "all" || (state === "favourites" ? entry.favourite : entry.state === state);
        return right && (this.size.value === "any area" || this.size.value === this.sizeOf(entry, thirds));
      });
    }

    render() {
      const focused = this.strip.contains(document.activeElement) ? document.activeElement.dataset.id : null;
      const place = focused ? [...this.strip.children].findIndex((button) => button.dataset.id === focused) : -1;
      const shown = this.filtered();
      const present = new Set(this.list.map((entry) => entry.id));
      for (const id of this.buttons.keys()) if (!present.has(id)) this.buttons.delete(id);
      this.strip.replaceChildren(...shown.map((entry) => this.thumb(entry)));
      this.strip.hidden = !shown.length;
      this.count(shown.length);
      this.mark_();
      if (focused && !shown.some((entry) => entry.id === focused) && shown.length)
        this.go(shown[Math.min(place, shown.length - 1)].id); // judged away by the filter: the next one follows
      else if (focused && this.buttons.has(focused)) this.buttons.get(focused).focus();
    }

    count(visible) {
      const number = (test) => this.list.filter(test).length;
      const [low, high] = this.thirds();
      const options = [...this.state.options];
      const numbers = [this.list.length, ...Object.keys(STATES).map((s) => number((e) => e.state === s)), number((e) => e.favourite)];
      options.forEach((option, i) => (option.textContent = `${option.value} · ${numbers[i]}`));
      const percent = (area) => (100 * area).toFixed(1) + " %";
      const ranges = [`under ${percent(low)}`, `${percent(low)} to ${percent(high)}`, `from ${percent(high)}`];
      [...this.size.options].slice(1).forEach((option, i) => {
        const held = number((e) => this.sizeOf(e, [low, high]) === SIZES[i]);
        option.textContent = `${SIZES[i]}, ${ranges[i]} · ${held}`;
      });
      this.counts.textContent = this.list.length
        ? `${visible} of ${this.list.length} · ✓ ${numbers[2]} accepted · ✕ ${numbers[3]} rejected`
        : "No pictures yet.";
    }

    thumb(entry) {
      let button = this.buttons.get(entry.id);
      if (!button) {
        button = space.make("button", { type: "button", class: "pv-thumb", "data-id": entry.id });
        button.append(space.make("img", { alt: "" }), space.make("span", {}, entry.caption), space.make("span", { class: "pv-state" }));
        button.addEventListener("click", () => this.go(entry.id));
        this.buttons.set(entry.id, button);
        this.eyes.observe(button);
      }
      const [icon, word] = STATES[entry.state];
      const said = [entry.reason || word, entry.favourite ? "favourite" : ""].filter(Boolean).join(", ");
      button.dataset.state = entry.state;
      button.dataset.favourite = String(entry.favourite);
      button.lastElementChild.textContent = `${entry.favourite ? "★ " : ""}${icon} ${entry.reason || word}`;
      button.setAttribute("aria-label", `Show the picture with ${entry.caption}, ${said}`);
      button.title = `${entry.caption}, ${said}`;
      return button;
    }

    seen(changes) {
      for (const change of changes)
        if (change.isIntersecting) {
          this.eyes.unobserve(change.target);
          this.waiting.add(change.target.dataset.id);
        }
      this.load();
    }

    async load() {
      if (this.loading || !this.waiting.size) return;
      this.loading = true;
      const ids = [...this.waiting].slice(0, BATCH);
      ids.forEach((id) => this.waiting.delete(id));
      try {
        const { thumbs } = await this.panel.ask("thumbs", { ids });
        for (const [id, png] of Object.entries(thumbs)) {
          const button = this.buttons.get(id);
          if (button) button.querySelector("img").src = "data:image/png;base64," + png;
        }
      } catch (error) {
        this.panel.say(error.message);
      }
      this.loading = false;
      this.load();
    }

    /** The picture `id` is the one shown; null: none of these. */
    select(id) {
      if (id !== this.chosen) this.ask(null);
      this.chosen = id;
      this.mark_();
    }

    mark_() {
      const entry = this.get(this.chosen);
      for (const button of [this.accept, this.reject, this.favourite, this.pick]) button.disabled = this.chosen === null;
      this.undoButton.disabled = !this.undoStack.length;
      this.accept.setAttribute("aria-pressed", String(Boolean(entry && entry.state === "accepted")));
      this.reject.setAttribute("aria-pressed", String(Boolean(entry && entry.state === "rejected")));
      this.favourite.setAttribute("aria-pressed", String(Boolean(entry && entry.favourite)));
      this.favourite.textContent = entry && entry.favourite ? "★" : "☆";
      const tab = this.buttons.has(this.chosen) && this.strip.contains(this.buttons.get(this.chosen)) ? this.chosen : null;
      for (const button of this.strip.children) {
        button.setAttribute("aria-pressed", String(button.dataset.id === this.chosen));
        button.tabIndex = tab === null || button.dataset.id === tab ? 0 : -1; // one stop for the Tab key
        button.dataset.pick = button.dataset.id === this.first ? "A" : "";
      }
    }

    async go(id) {
      await this.panel.show(id);
      const button = this.buttons.get(id);
      if (button) button.focus({ preventScroll: false });
    }

    async step(by) {
      const ids = this.filtered().map((entry) => entry.id);
      if (!ids.length) return;
      const at = ids.indexOf(this.chosen);
      await this.go(ids[Math.min(ids.length - 1, Math.max(0, at < 0 ? 0 : at + by))]);
    }

    /** @param {{state?: string, reason?: string, favourite?: boolean}} change */
    async judge(id, change, remember = true) {
      const before = this.get(id);
      if (!before) return;
      try {
        const { picture } = await this.panel.ask("judge", { id, ...change });
        if (remember) this.undoStack.push({ id, state: before.state, reason: before.reason || "", favourite: before.favourite });
        this.list = this.list.map((entry) => (entry.id === id ? picture : entry));
        this.render();
        const said = picture.reason ? `${picture.state}: ${picture.reason}` : picture.state;
        this.panel.say(`${picture.caption}: ${said}${picture.favourite ? ", favourite" : ""}`);
      } catch (error) {
        this.panel.say("Not stored. " + error.message);
      }
    }

    async decide(state) {
      const id = this.chosen;
      if (id === null) return;
      await this.judge(id, { state, reason: "" });
      this.ask(state === "rejected" && id === this.chosen ? id : null);
    }

    async star() {
      const entry = this.get(this.chosen);
      if (entry) await this.judge(entry.id, { favourite: !entry.favourite });
    }

    async undo() {
      const last = this.undoStack.pop();
      if (!last) return;
      this.ask(null);
      const { id, ...before } = last;
      await this.judge(id, before, false);
    }

    /** Offer the reasons for rejecting picture `id`; null: no longer. */
    ask(id) {
      this.asking = id;
      this.why.hidden = id === null;
    }

    async because(index) {
      const id = this.asking;
      this.ask(null);
      if (id === null || !this.reasons[index]) return;
      await this.judge(id, { reason: this.reasons[index] }, false); // one decision with its reason, one undo
    }

    /** The shown picture becomes A, or B when there is an A. */
    mark() {
      if (this.chosen === null) return;
      if (this.first === null || this.first === this.chosen || !this.get(this.first)) {
        this.first = this.first === this.chosen ? null : this.chosen;
        this.panel.say(this.first ? "This picture is A. Choose another one, and press C or A|B again." : "No longer chosen for comparing.");
        this.mark_();
        return;
      }
      const a = this.first;
      this.first = null;
      this.mark_();
      this.panel.say("");
      this.panel.compare({ id: a }, { id: this.chosen });
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const reason = Number(event.key) - 1;
      const keys = {
        ArrowRight: () => this.step(1), ArrowLeft: () => this.step(-1),
        a: () => this.decide("accepted"), r: () => this.decide("rejected"), f: () => this.star(),
        u: () => this.undo(), c: () => this.mark(), Escape: () => this.ask(null),
      };
      const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const act = this.reasons[reason] ? () => this.because(reason) : keys[name];
      if (!act) return;
      event.preventDefault();
      this.acted = this.acted.then(act); // one after the other: a key is for the picture that the keys before it led to
    }
  }

  space.Gallery = Gallery;
})();
