/* The tabs "Lesions" (what is drawn, one by one) and "View" (how it is shown, and the picture below the drawing). */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const COLOURS = [["sky blue", [86, 180, 233]], ["yellow", [240, 228, 66]], ["green", [0, 158, 115]], ["white", [240, 240, 240]]];
  const STORE = "siamese-look";

  class Lesions {
    /** @param {HTMLElement} element  @param {Desk} desk */
    constructor(element, desk) {
      this.desk = desk;
      this.list = space.make("div", { class: "mc-lesions", role: "list", "aria-label": "Lesions, largest first" });
      element.append(this.list);
      this.version = -1;
    }

    show() {
      const { make } = space;
      const { engine } = this.desk;
      if (this.version === engine.version || !this.list.offsetParent) return; // counted only while looked at
      this.version = engine.version;
      const { width, height } = engine;
      this.found = space.morph.components(engine.visible, width, height);
      const rows = this.found.slice(0, 50).map(({ area, box, centroid }, i) => {
        const share = `${((100 * area) / (width * height)).toFixed(2)} %`;
        const words = `${i + 1} · ${share} · ${area} px · ${where(centroid, width, height)}`;
        const press = (text, act) => {
          const button = make("button", { type: "button", class: "mc-mini", "aria-label": `${text}: lesion ${i + 1}` }, text);
          button.addEventListener("click", act);
          return button;
        };
        return make(
          "div", { class: "mc-lesion", role: "listitem" }, make("span", {}, words),
          press("Delete", () => this.keep((k) => k !== i, "lesion deleted")),
          press("Keep only this", () => this.keep((k) => k === i, "one lesion kept"))
        );
      });
      if (this.found.length > 50) rows.push(make("p", { class: "mc-hint" }, `and ${this.found.length - 50} smaller ones`));
      const none = make("p", { class: "mc-hint" }, "Nothing is drawn: normal mucosa will be made.");
      this.list.replaceChildren(...(rows.length ? rows : [none]));
    }

    /** Keep the lesions whose place in the list passes. */
    keep(passes, word) {
      const { desk } = this;
      const { engine } = desk;
      const act = () => engine.replace(space.morph.keepWhere(engine.raster, engine.width, engine.height, passes));
      desk.edit(act, word);
    }
  }

  function where([x, y], width, height) {
    const across = ["left", "middle", "right"][Math.min(2, Math.floor((3 * x) / width))];
    const down = ["top", "middle", "bottom"][Math.min(2, Math.floor((3 * y) / height))];
    return across === down ? "middle" : `${down} ${across}`;
  }

  class Look {
    /**
     * @param {HTMLElement} element
     * @param {View} view
     * @param {{choose: () => void, remove: () => void, keep: (title: string) => void}} host the picture below the drawing
     */
    constructor(element, view, host) {
      const { make } = space;
      this.view = view;
      this.opacity = make("input", { type: "range", min: 0, max: 100, step: 5, "aria-label": "Opacity of the fill, percent" });
      this.outline = make("input", { type: "checkbox", "aria-label": "Outline only" });
      this.colours = COLOURS.map(([name, colour]) => {
        const button = make("button", { type: "button", class: "mc-colour", title: name, "aria-label": `Colour of the outline: ${name}` });
        button.style.background = `rgb(${colour})`;
        button.addEventListener("click", () => this.set({ colour }));
        return [button, colour];
      });
      const press = (text, title, act) => {
        const button = make("button", { type: "button", class: "mc-chip", title }, text);
        button.addEventListener("click", act);
        return button;
      };
      this.title = make("input", { class: "mc-search", maxlength: 60, placeholder: "name of the case", "aria-label": "Name of the case" });
      this.own = make(
        "span", { class: "mc-own" },
        press("Remove picture", "Take the picture away; the outline stays", host.remove), this.title,
        press("Save as case", "Save picture and outline as a labelled case for training", () => host.keep(this.title.value))
      );
      this.opacity.addEventListener("input", () => this.set({ opacity: Number(this.opacity.value) / 100 }));
      this.outline.addEventListener("change", () => this.set({ outlineOnly: this.outline.checked }));
      element.append(
        make(
          "div", { class: "mc-chips" }, make("label", { class: "mc-slider" }, make("span", {}, "Fill"), this.opacity),
          make("label", { class: "mc-check" }, this.outline, " outline only"), ...this.colours.map(([button]) => button),
          make("span", { class: "mc-hint" }, "hold H to hide")
        ),
        make("div", { class: "mc-chips" }, press("Own picture…", "Draw on a picture of your own", host.choose), this.own)
      );
      let kept = {};
      try {
        kept = JSON.parse(space.memory.get(STORE) || "{}");
      } catch (error) {
        console.warn("The look of the outline was not remembered:", error);
      }
      this.set({ opacity: 0.55, outlineOnly: false, colour: COLOURS[0][1], ...kept });
      this.picture(false);
    }

    set(change) {
      this.look = { ...this.look, ...change };
      const { opacity, outlineOnly, colour } = this.look;
      Object.assign(this.view, { opacity, outlineOnly, painted: -1 });
      space.FILL.splice(0, 3, ...colour);
      this.opacity.value = String(Math.round(100 * opacity));
      this.outline.checked = outlineOnly;
      for (const [button, own] of this.colours) button.setAttribute("aria-pressed", String(String(own) === String(colour)));
      space.memory.set(STORE, JSON.stringify(this.look));
      this.view.draw();
    }

    /** Whether a picture of one's own lies below the drawing. */
    picture(there) {
      this.own.hidden = !there;
    }
  }

  space.Lesions = Lesions;
  space.Look = Look;
})();
