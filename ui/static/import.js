/* Files in and out of the canvas: opened, dropped or pasted; outlines become the drawing or are saved under Outlines,
   a photograph becomes the picture below the drawing. The server alone decides what a file is. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const LARGEST_FILE = 64 * 2 ** 20;
  const MOST = 200; // files at once

  class Files {
    /**
     * @param {Desk} desk
     * @param {{ask: Function|null, say: (kind: string, text: string) => void, place: HTMLElement,
     *   background: (answer) => void, saved: () => void, flush: () => Promise}} host
     */
    constructor(desk, host) {
      const { make } = space;
      this.desk = desk;
      this.host = host;
      this.input = make("input", { type: "file", class: "mc-file", accept: "image/*", multiple: "", tabindex: "-1", "aria-label": "Outline or picture files" });
      this.input.addEventListener("change", () => {
        const chosen = [...this.input.files];
        this.input.value = ""; // choosing the same file again is a new choice
        this.take(chosen);
      });
      this.choice = make("div", { class: "mc-choice", role: "group", "aria-label": "What this file is" });
      this.choice.hidden = true;
      host.place.append(this.input, this.choice);
      const { place } = host;
      place.addEventListener("dragover", (event) => {
        event.preventDefault();
        place.dataset.drop = "1";
      });
      place.addEventListener("dragleave", () => delete place.dataset.drop);
      place.addEventListener("drop", (event) => {
        event.preventDefault();
        delete place.dataset.drop;
        this.take([...event.dataTransfer.files]);
      });
      document.addEventListener("paste", (event) => {
        if (!place.contains(document.activeElement)) return;
        const files = [...event.clipboardData.files];
        if (files.length) this.take(files);
      });
    }

    choose() {
      this.input.click();
    }

    /** One file goes to the canvas, several are saved under Outlines. The drawing stays when a file is bad. */
    async take(files) {
      if (!files.length || this.desk.disabled || !this.host.ask) return;
      const large = files.find((file) => file.size > LARGEST_FILE);
      if (large || files.length > MOST) {
        const why = large
          ? `${large.name} has ${Math.round(large.size / 2 ** 20)} MB; a mask may have at most 64 MB. Export it as a PNG.`
          : `${files.length} files were given; at most ${MOST} are read at once.`;
        this.host.say("bad", `${why} Your drawing is unchanged.`);
        return;
      }
      if (files.length > 1) await this.several(files);
      else await this.one(files[0]);
    }

    async one(file) {
      this.host.say("busy", `reading ${file.name}…`);
      try {
        const answer = await this.host.ask("check", { name: file.name, data: await base64(file) });
        if (answer.picture) this.offer(file, answer);
        else await this.draw(file.name, answer);
      } catch (error) {
        this.host.say("bad", `${error.message} Your drawing is unchanged.`);
      }
    }

    async draw(name, { runs, width, height, notes }) {
      const { engine } = this.desk;
      const raster = space.rasterOf(runs, width, height);
      const fitted = space.resized(raster, width, height, engine.width, engine.height);
      const all = [...notes];
      if (fitted !== raster) all.push(`resized from ${height}×${width} to ${engine.height}×${engine.width} (nearest)`);
      this.desk.edit(() => engine.replace(fitted), `${name} opened`);
      await this.host.flush();
      if (all.length) this.host.say("note", `${name}: ${all.join("; ")}`);
    }

    /** The file looks like a photograph: the person says what it is. */
    offer(file, answer) {
      const { make } = space;
      const press = (text, act) => {
        const button = make("button", { type: "button", class: "mc-button" }, text);
        button.addEventListener("click", async () => {
          this.choice.hidden = true;
          try {
            await act();
          } catch (error) {
            this.host.say("bad", `${error.message} Your drawing is unchanged.`);
          }
        });
        return button;
      };
      this.choice.replaceChildren(
        make("span", {}, `${file.name} looks like a photograph.`),
        press("Draw on it", () => this.background(file)),
        press("Read it as an outline", () => this.draw(file.name, answer)),
        press("Cancel", () => this.host.say("good", "nothing was changed"))
      );
      this.choice.hidden = false;
      this.choice.querySelector("button").focus();
      this.host.say("note", `${file.name} looks like a photograph: choose below what it is.`);
    }

    async background(file) {
      this.host.say("busy", `reading ${file.name}…`);
      this.host.background(await this.host.ask("background", { name: file.name, data: await base64(file) }));
    }

    async several(files) {
      let saved = 0;
      const problems = [];
      for (const file of files) {
        this.host.say("busy", `saving ${saved + problems.length + 1} of ${files.length}…`);
        try {
          await this.host.ask("outline_import", { name: file.name, data: await base64(file) });
          saved++;
        } catch (error) {
          problems.push(error.message);
        }
      }
      this.host.saved();
      const done = `${saved} of ${files.length} files are saved under Outlines.`;
      this.host.say(problems.length ? "bad" : "good", [done, ...problems.slice(0, 3)].join(" "));
    }

    /** The drawing as a PNG of exactly two values, made by the server. */
    async download() {
      this.desk.apply();
      const { engine } = this.desk;
      try {
        const name = `mask_${engine.width}x${engine.height}_${engine.hash()}.png`;
        const answer = this.host.ask
          ? await this.host.ask("export", { runs: engine.runs(), width: engine.width, height: engine.height })
          : null;
        if (!answer) return;
        const link = space.make("a", { href: "data:image/png;base64," + answer.png, download: name });
        link.click();
        this.host.say("good", `${name} was given to your browser`);
      } catch (error) {
        this.host.say("bad", error.message);
      }
    }
  }

  function base64(file) {
    return new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(String(reader.result).split(",", 2)[1] || "");
      reader.onerror = () => reject(new Error(`${file.name} cannot be read by the browser; copy it to another folder.`));
      reader.readAsDataURL(file);
    });
  }

  space.Files = Files;
})();
