/* The contact sheet: guidance downwards, example numbers across; a finished cell can be taken over. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  class Sheet {
    /** @param {HTMLElement} element @param {object} panel see picture.js */
    constructor(element, panel) {
      this.element = element;
      this.panel = panel;
      this.shape = "";
      this.cells = [];
      this.columns = 1;
      element.addEventListener("keydown", (event) => this.key(event));
    }

    /** @param {{rows: number[], seeds: number[], cells: Array<string|null>, previews: Array<[number, string]>}} what */
    frame(what) {
      const shape = JSON.stringify([what.rows, what.seeds]);
      const anew = what.cells.every((id, i) => !this.cells[i] || !this.cells[i].dataset.id || this.cells[i].dataset.id === id);
      if (shape !== this.shape || !anew) this.build(what, shape);
      const making = new Map(what.previews);
      what.cells.forEach((id, i) => this.cell(this.cells[i], id, making.get(i)));
      this.element.dataset.finished = String(what.cells.filter(Boolean).length);
    }

    build(what, shape) {
      const make = space.make;
      this.shape = shape;
      this.cells = [];
      const head = make("tr", {}, make("th", { scope: "col", class: "sh-corner" }, "guidance ↓ seed →"));
      head.append(...what.seeds.map((seed) => make("th", { scope: "col" }, String(seed))));
      const body = make("tbody", {});
      for (const row of what.rows) {
        const line = make("tr", {}, make("th", { scope: "row" }, String(row)));
        for (const seed of what.seeds) {
          const button = make("button", { type: "button", class: "sh-cell", disabled: "" }, make("img", { alt: "" }));
          button.dataset.words = `guidance ${row}, seed ${seed}`;
          button.addEventListener("click", () => this.adopt(button.dataset.id));
          this.cells.push(button);
          line.append(make("td", {}, button));
        }
        body.append(line);
      }
      const table = make("table", { "aria-label": "Contact sheet, guidance downwards, seeds across" }, make("thead", {}, head), body);
      table.style.setProperty("--columns", what.seeds.length);
      table.style.setProperty("--rows", what.rows.length);
      this.columns = what.seeds.length;
      this.element.replaceChildren(table);
    }

    cell(button, id, preview) {
      const words = button.dataset.words;
      const state = id ? "finished" : preview ? "making" : "empty";
      if (preview && !id) button.firstElementChild.src = "data:image/png;base64," + preview;
      if (state === button.dataset.state && button.dataset.id === (id || "")) return;
      button.dataset.state = state;
      button.dataset.id = id || "";
      button.disabled = !id;
      const said = { finished: `Take over ${words}`, making: `${words}: being made`, empty: `${words}: not made yet` }[state];
      button.setAttribute("aria-label", said);
      button.title = said;
      if (state === "empty") button.firstElementChild.removeAttribute("src");
      if (id)
        this.panel
          .fetched(id)
          .then((found) => (button.firstElementChild.src = "data:image/png;base64," + found.png))
          .catch((error) => this.panel.say(error.message));
    }

    async adopt(id) {
      const found = await this.panel.show(id);
      if (!found) return;
      const { seed, guidance, steps, sampler, corner_box, prompt = "" } = found.facts;
      this.panel.adopt({ seed, guidance, steps, sampler, corner_box: Boolean(Number(corner_box)), prompt });
      this.panel.say(`Seed ${seed} and guidance ${guidance} are set now.`);
    }

    /** Arrow keys go from cell to cell. */
    key(event) {
      const at = this.cells.indexOf(document.activeElement);
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns }[event.key];
      if (at < 0 || !by) return;
      event.preventDefault();
      const next = this.cells[at + by];
      if (next && !next.disabled) next.focus();
    }
  }

  space.Sheet = Sheet;
})();
