/* Recall: a synthesized picture, from the strip or dropped as a file, sets everything again; a second run is compared. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const LARGEST = 16 * 2 ** 20;

  class Recall {
    /**
     * @param {HTMLElement} element the whole panel
     * @param {HTMLElement} tools row of buttons
     * @param {HTMLElement} foot line below the picture
     * @param {object} panel see picture.js
     */
    constructor(element, tools, foot, panel) {
      this.panel = panel;
      this.found = null; // what was recalled last
      this.waiting = null; // what is being made again
      const make = space.make;
      const file = make("input", { type: "file", class: "mc-file", accept: "image/png", tabindex: "-1", "aria-label": "Synthesized picture to recall" });
      file.addEventListener("change", () => {
        const chosen = file.files[0];
        file.value = ""; // choosing the same file again is a new choice
        if (chosen) this.read(chosen);
      });
      this.this_ = space.panelButton("Recall", "Recall everything: set seed, guidance, steps and outline of this picture again", () => this.shown(), { id: "recall" });
      this.open = space.panelButton("Open…", "Recall everything from a synthesized picture file; dropping it here does the same", () => file.click(), { id: "recall-file" });
      this.again = space.panelButton("Run again and compare", "Make this picture again and say whether it is identical", () => this.rerun(), { id: "run-again", hidden: "" });
      tools.append(this.this_, this.open, file);
      foot.append(this.again);
      element.addEventListener("dragover", (event) => {
        event.preventDefault();
        element.classList.add("dropping");
      });
      element.addEventListener("dragleave", () => element.classList.remove("dropping"));
      element.addEventListener("drop", (event) => {
        event.preventDefault();
        element.classList.remove("dropping");
        if (event.dataTransfer.files[0]) this.read(event.dataTransfer.files[0]);
      });
    }

    /** Another picture is shown: what was recalled is no longer at hand. */
    left(id) {
      if (!this.found || this.found.source.id !== id) this.again.hidden = true;
    }

    async shown() {
      const id = this.panel.shown();
      if (id === null) this.panel.say("Choose a picture of the strip first, or open a synthesized picture file.");
      else await this.take({ id });
    }

    async read(file) {
      if (file.size > LARGEST) {
        this.panel.say(`${file.name} has ${Math.round(file.size / 2 ** 20)} MB; a picture saved here is far smaller.`);
        return;
      }
      const bytes = new Uint8Array(await file.arrayBuffer());
      let text = "";
      for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
      await this.take({ name: file.name, data: btoa(text) });
    }

    /** @param {{id: string}|{name: string, data: string}} source */
    async take(source) {
      try {
        const found = await this.panel.ask("recall", source);
        this.found = { ...found, source };
        if (found.drawing) {
          const { runs, width, height } = found.drawing;
          space.load(runs, width, height, "outline recalled");
        }
        this.panel.adopt(found.settings);
        if (!source.id)
          this.panel.loose("recalled", found.png, "from a file · " + found.caption, "Synthetic picture from a file, " + found.caption, found);
        this.again.hidden = false;
        this.panel.say(found.words);
      } catch (error) {
        this.panel.say(error.message);
      }
    }

    rerun() {
      this.waiting = this.found;
      this.again.hidden = true;
      this.panel.say("");
      this.panel.again(this.found.facts);
    }

    /** A run finished the picture `id`: is it the one that was to be made again? */
    async finished(id, made) {
      const before = this.waiting;
      this.waiting = null;
      if (!before) return;
      const same = ["seed", "steps", "mask_sha256", "sampler", "prompt"].every((key) => String(made.facts[key]) === String(before.facts[key]));
      if (!same) return; // something else was made meanwhile
      try {
        const { words } = await this.panel.ask("difference", { a: before.source, b: { id } });
        this.panel.compare(before.source.id ? { id: before.source.id } : { png: before.png, caption: before.caption }, { id });
        this.panel.say(words);
      } catch (error) {
        this.panel.say(error.message);
      }
    }
  }

  space.Recall = Recall;
})();
