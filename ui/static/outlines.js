/* The tab "Outlines": examples, outlines saved by this person, random ones; files in and out. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const SIDE = 96; // pixels of a small picture

  class Outlines {
    /**
     * @param {HTMLElement} element
     * @param {Desk} desk
     * @param {{examples: Array<{name: string, runs: number[]}>, ask: Function|null, files: Files, aim: (target) => void,
     *   say: (kind: string, text: string) => void}} host  ask(name, payload): a server function, null without a server
     */
    constructor(element, desk, host) {
      const { make } = space;
      this.desk = desk;
      this.host = host;
      this.search = make("input", { type: "search", class: "mc-search", placeholder: "Search…", "aria-label": "Search outlines" });
      this.search.addEventListener("input", () => this.load());
      const press = (text, title, act) => {
        const button = make("button", { type: "button", class: "mc-chip", title, "aria-label": title }, text);
        button.addEventListener("click", act);
        return button;
      };
      this.number = make("input", { type: "number", class: "mc-number", min: 0, max: 999999, value: 1, "aria-label": "Number of the random outline" });
      this.strip = make("div", { class: "mc-strip", role: "group", "aria-label": "Outlines" });
      const bar = make("div", { class: "mc-chips" });
      if (host.ask)
        bar.append(
          this.search, press("Save", "Save this outline under Outlines", () => this.save()),
          press("Random", "A random plausible outline; its number goes up by one", () => this.random()), this.number
        );
      bar.append(
        press("Open…", "Open outlines or a picture from files (also by dropping or pasting)", () => host.files.choose()),
        press("Download", "Download this outline as a PNG", () => host.files.download())
      );
      element.append(bar, this.strip);
      this.saved = [];
      this.show();
    }

    /** Fetch what is saved, as far as the search goes. */
    async load() {
      if (!this.host.ask) return;
      const words = this.search.value;
      try {
        const answer = await this.host.ask("outlines", { search: words });
        if (words !== this.search.value) return;
        this.saved = answer.saved;
        this.show();
      } catch (error) {
        this.host.say("bad", error.message);
      }
    }

    show() {
      const { make } = space;
      const words = this.search.value.trim().toLowerCase();
      const cards = this.saved.map((saved) => {
        const thumb = make("img", { src: "data:image/png;base64," + saved.png, alt: "" });
        const title = saved.collection ? `${saved.title} · ${saved.collection}` : saved.title;
        const use = this.card(title, thumb, () => this.use(saved));
        const icon = (text, label, act) => {
          const found = make("button", { type: "button", class: "mc-mini", title: label, "aria-label": `${label}: ${title}` }, text);
          found.addEventListener("click", act);
          return found;
        };
        const actions = make(
          "span", { class: "mc-minis" },
          icon("→B", "Take as B for the morph from A to B", () => this.target(saved)),
          ...(saved.own
            ? [
                icon("+", "Duplicate", () => this.change("outline_duplicate", saved)),
                icon("✎", "Rename", () => this.rename(saved, box)),
                icon("✕", "Delete", (event) => this.remove(saved, event.currentTarget)),
              ]
            : [])
        );
        const box = make("div", { class: "mc-card" }, use, actions);
        box.dataset.name = saved.name;
        return box;
      });
      const examples = this.host.examples
        .filter((example) => example.name.toLowerCase().includes(words))
        .map((example) => {
          const raster = space.rasterOf(example.runs, Math.sqrt(example.runs.reduce((a, b) => a + b, 0)));
          const side = Math.sqrt(raster.length);
          const thumb = space.thumbnail(raster, side, side, SIDE);
          const use = this.card(example.name, thumb, () => this.replace(raster, side, side, example.name));
          use.setAttribute("aria-label", "Use the example outline: " + example.name);
          const aim = make("button", { type: "button", class: "mc-mini", "aria-label": "Take as B for the morph from A to B: " + example.name, title: "Take as B for the morph from A to B" }, "→B");
          aim.addEventListener("click", () => this.host.aim({ title: example.name, raster, width: side, height: side }));
          return make("div", { class: "mc-card" }, use, make("span", { class: "mc-minis" }, aim));
        });
      const nothing = make("p", { class: "mc-hint" }, `Nothing is called “${this.search.value}”.`);
      this.strip.replaceChildren(...cards, ...examples, ...(cards.length + examples.length ? [] : [nothing]));
    }

    card(title, thumb, act) {
      const button = space.make("button", { type: "button", class: "mc-example", title, "aria-label": "Use the outline: " + title });
      button.append(thumb, space.make("span", {}, title));
      button.addEventListener("click", act);
      return button;
    }

    /** Put an outline on the canvas; with a picture of one's own below, at that picture's size. */
    replace(raster, width, height, word) {
      const { engine } = this.desk;
      const fitted = space.resized(raster, width, height, engine.width, engine.height);
      this.desk.edit(() => engine.replace(fitted), word);
    }

    async fetched(saved) {
      const { runs, width, height } = await this.host.ask("outline", { name: saved.name });
      return { title: saved.title, raster: space.rasterOf(runs, width, height), width, height };
    }

    async use(saved) {
      try {
        const { raster, width, height, title } = await this.fetched(saved);
        this.replace(raster, width, height, title);
      } catch (error) {
        this.host.say("bad", error.message);
      }
    }

    async target(saved) {
      try {
        this.host.aim(await this.fetched(saved));
      } catch (error) {
        this.host.say("bad", error.message);
      }
    }

    async save() {
      this.desk.apply();
      const { engine } = this.desk;
      await this.change("outline_save", { runs: engine.runs(), width: engine.width, height: engine.height });
    }

    async random() {
      const seed = Math.min(999999, Math.max(0, Math.round(Number(this.number.value) || 0)));
      try {
        const { runs, width, height } = await this.host.ask("outline_random", { seed });
        this.replace(space.rasterOf(runs, width, height), width, height, `random outline ${seed}`);
        this.number.value = String(seed + 1);
      } catch (error) {
        this.host.say("bad", error.message);
      }
    }

    rename(saved, box) {
      const input = space.make("input", { class: "mc-rename", value: saved.title, maxlength: 80, "aria-label": "New name" });
      box.replaceChildren(input);
      input.focus();
      input.select();
      input.addEventListener("keydown", (event) => {
        if (event.key === "Enter") this.change("outline_rename", { ...saved, title: input.value });
        if (event.key === "Escape") this.show();
      });
      input.addEventListener("blur", () => this.show());
    }

    /** The first press asks, the second deletes. */
    remove(saved, button) {
      if (button.dataset.sure) {
        this.change("outline_delete", saved);
        return;
      }
      button.dataset.sure = "1";
      button.textContent = "Delete?";
      button.addEventListener("blur", () => this.show());
    }

    async change(what, payload) {
      const sent = { ...payload };
      delete sent.png;
      try {
        const answer = await this.host.ask(what, { ...sent, search: this.search.value });
        this.saved = answer.saved;
        this.show();
        if (answer.word) this.host.say("good", answer.word);
      } catch (error) {
        this.host.say("bad", error.message);
      }
    }
  }

  space.Outlines = Outlines;
})();
