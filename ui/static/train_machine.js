/* Where a training computes: device, number format, processes; asked of the machine when the fold is first opened. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const USUAL = { device: "auto", precision: "auto", processes: 1 };

  class WhereChoice {
    /** @param {object} desk see train.js @param {() => void} changed @param {(text: string) => void} say for what went wrong */
    constructor(desk, changed, say) {
      const { make, field } = space;
      this.desk = desk;
      this.say = say;
      this.offered = null;
      this.wanted = { ...USUAL };
      const select = (id) => make("select", { class: "tr-select", id });
      this.selects = { device: select("train-device"), precision: select("train-precision"), processes: select("train-processes") };
      const { device, precision, processes } = this.selects;
      this.element = make("div", { class: "tr-knobs wide" });
      this.element.append(
        field("Compute on", device),
        field("Number format", precision, "A trial of two seconds finds the quickest that computes the same."),
        field("Processes", processes, "One for each GPU; they share the pictures of each step.")
      );
      for (const [name, control] of Object.entries(this.selects))
        control.addEventListener("change", () => {
          this.wanted[name] = name === "processes" ? Number(control.value) : control.value;
          changed();
        });
      this.show();
    }

    value() {
      return { ...this.wanted };
    }

    /** Take over a choice. @returns {boolean} whether it is an unusual one */
    set(where) {
      this.wanted = { ...USUAL, ...where };
      this.show();
      return Object.entries(USUAL).some(([name, value]) => this.wanted[name] !== value);
    }

    /** Ask what there is to choose from, once. */
    async ask() {
      if (this.asking) return;
      this.asking = true;
      try {
        this.offered = await this.desk.task((await this.desk.ask("machine")).task);
        this.show();
      } catch (error) {
        this.asking = false; // the next time the fold is opened
        this.say(error.message);
      }
    }

    show() {
      const lists = this.offered || { devices: [], precisions: [], processes: [] };
      const rows = { device: lists.devices, precision: lists.precisions, processes: lists.processes };
      for (const [name, control] of Object.entries(this.selects)) {
        const value = String(this.wanted[name]);
        const known = rows[name].some((one) => String(one.value) === value);
        space.fillSelect(control, known ? rows[name] : [{ value, words: value === "auto" ? "Automatic" : value }, ...rows[name]], value);
      }
    }
  }

  space.WhereChoice = WhereChoice;
})();
