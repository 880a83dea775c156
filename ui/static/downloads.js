/* Downloads: the picture, the pair, a slide, a selection as zip. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  class Downloads {
    /** @param {HTMLElement} tools row of buttons @param {object} panel see picture.js @param {Gallery} gallery */
    constructor(tools, panel, gallery) {
      this.panel = panel;
      this.gallery = gallery;
      const choices = [
        ["Picture", "download", () => this.picture()],
        ["Picture with caption, for slides", "download-slide", () => this.slide()],
        ["Picture and outline (zip)", "download-pair", () => this.zip([panel.shown()])],
        ["All accepted (zip)", "download-accepted", () => this.zip(ids(gallery.list.filter((entry) => entry.state === "accepted")))],
        ["All in the strip (zip)", "download-filtered", () => this.zip(ids(gallery.filtered()))],
      ];
      this.menu = space.make("div", { class: "pv-menu", role: "group", "aria-label": "Download", hidden: "" });
      choices.forEach(([text, id, act], i) => {
        const button = space.panelButton(text, text, () => {
          this.toggle(false);
          this.run(i < 3, act);
        }, { id });
        this.menu.append(button);
      });
      this.button = space.panelButton("Download ▾", "Download pictures", () => this.toggle(this.menu.hidden), { id: "downloads", "aria-expanded": "false" });
      const holder = space.make("div", { class: "pv-holder" }, this.button, this.menu);
      holder.addEventListener("keydown", (event) => {
        if (event.key !== "Escape" || this.menu.hidden) return;
        this.toggle(false);
        this.button.focus();
      });
      document.addEventListener("pointerdown", (event) => {
        if (!holder.contains(event.target)) this.toggle(false);
      });
      tools.append(space.make("span", { class: "mc-gap" }), holder);
    }

    toggle(open) {
      this.menu.hidden = !open;
      this.button.setAttribute("aria-expanded", String(open));
      if (open) this.menu.firstElementChild.focus();
    }

    async run(one, act) {
      if (one && this.panel.shown() === null) {
        this.panel.say("Choose a picture of the strip first.");
        return;
      }
      try {
        await act();
      } catch (error) {
        this.panel.say("Nothing was downloaded. " + error.message);
      }
    }

    async picture() {
      const found = await this.panel.fetched(this.panel.shown());
      give([bytes(found.png)], found.file, "image/png");
    }

    async slide() {
      const { data, file } = await this.panel.ask("slide", { id: this.panel.shown() });
      give([bytes(data)], file, "image/png");
    }

    async zip(chosen) {
      this.panel.say(`Packing ${space.counted(chosen.length, "picture")}…`);
      const made = await this.panel.ask("pack", { ids: chosen }, true);
      const parts = [];
      for (let at = 0, done = false; !done; ) {
        const piece = await this.panel.ask("piece", { id: made.id, at });
        parts.push(bytes(piece.data));
        at = piece.at;
        done = piece.done;
      }
      give(parts, made.file, "application/zip");
      this.panel.say(`${made.file}: ${space.counted(made.count, "picture")}, ${(made.size / 1e6).toFixed(1)} MB.`);
    }
  }

  function ids(list) {
    return list.map((entry) => entry.id);
  }

  function bytes(base64) {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  }

  /** Hand a file to the browser. */
  function give(parts, name, type) {
    const link = space.make("a", { download: name });
    link.href = URL.createObjectURL(new Blob(parts, { type }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  Object.assign(space, { Downloads, bytes, give });
})();
