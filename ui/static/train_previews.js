/* Previews over time on fixed outlines: a strip, a slider through the steps, and another run's beside them. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const MOST = 40; // small pictures in the strip; the slider reaches all

  class Previews {
    constructor(desk) {
      const { make } = space;
      this.desk = desk;
      this.kept = new Map(); // run/name -> promise of a data URL
      this.image = make("img", { alt: "", id: "train-preview" });
      this.beside = make("img", { alt: "" });
      this.caption = make("figcaption", {});
      this.besideCaption = make("figcaption", {});
      this.besideFigure = make("figure", { hidden: "" }, this.beside, this.besideCaption);
      this.slider = make("input", { type: "range", min: "0", value: "0", step: "1", id: "train-preview-step", "aria-label": "Preview, by step" });
      this.strip = make("div", { class: "tr-strip", role: "group", "aria-label": "Previews" });
      this.element = make("section", { class: "tr-card", "aria-label": "Previews", id: "train-previews" }, make("h3", {}, "Previews"));
      this.element.append(
        make("p", { class: "tr-soft" }, "The same outlines each time, synthesized by the model as it stood then."),
        make("div", { class: "tr-pair" }, make("figure", {}, this.image, this.caption), this.besideFigure),
        this.slider, this.strip
      );
      this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    }

    show(run, other, anew) {
      const list = all(run);
      const last = this.list && this.at === this.list.length - 1;
      const key = JSON.stringify([run.id, list.map((one) => one.name), other && other.id]);
      this.run = run;
      this.other = other;
      this.list = list;
      this.element.hidden = !list.length;
      if (key === this.key || !list.length) return;
      this.key = key;
      this.slider.max = String(list.length - 1);
      this.slider.disabled = list.length < 2;
      const every = Math.ceil(list.length / MOST);
      const shown = list.map((one, i) => [one, i]).filter(([, i]) => (list.length - 1 - i) % every === 0);
      const before = new Map([...this.strip.children].map((one) => [one.dataset.name, one]));
      this.strip.replaceChildren(
        ...shown.map(([one, i]) => {
          const button = (!anew && before.get(one.name)) || this.small(one);
          button.onclick = () => this.go(i);
          return button;
        })
      );
      this.go(anew || last || this.at === undefined ? list.length - 1 : Math.min(this.at, list.length - 1));
      if (anew || last) this.strip.scrollLeft = this.strip.scrollWidth;
    }

    small(one) {
      const image = space.make("img", { alt: "" });
      const words = `${one.stage_words}, step ${one.step.toLocaleString("en")}`;
      const button = space.make("button", { type: "button", class: "tr-small", "aria-label": `Preview: ${words}`, title: words }, image);
      button.append(space.make("span", {}, `${one.stage_words.split(" ")[0]} ${one.step.toLocaleString("en")}`));
      button.dataset.name = one.name;
      this.fill(image, this.run.id, one.name);
      return button;
    }

    go(i) {
      const one = this.list[i];
      this.at = i;
      this.slider.value = String(i);
      const words = `${one.stage_words}, step ${one.step.toLocaleString("en")}`;
      this.slider.setAttribute("aria-valuetext", words);
      this.caption.textContent = words;
      this.fill(this.image, this.run.id, one.name);
      this.image.alt = `Preview: ${words}`;
      for (const button of this.strip.children) button.setAttribute("aria-pressed", String(button.dataset.name === one.name));
      const theirs = this.other ? all(this.other).filter((two) => two.stage === one.stage) : [];
      this.besideFigure.hidden = !theirs.length;
      if (!theirs.length) return;
      const near = theirs.reduce((best, two) => (Math.abs(two.step - one.step) < Math.abs(best.step - one.step) ? two : best));
      this.besideCaption.textContent = `${this.other.title}, step ${near.step.toLocaleString("en")}`;
      this.beside.alt = `Preview of ${this.besideCaption.textContent}`;
      this.fill(this.beside, this.other.id, near.name);
    }

    async fill(image, run, name) {
      const key = `${run}/${name}`;
      image.dataset.key = key;
      if (!this.kept.has(key))
        this.kept.set(key, this.desk.ask("preview", { run, name }).then((found) => "data:image/png;base64," + found.png));
      try {
        const url = await this.kept.get(key);
        if (image.dataset.key === key) image.src = url; // the newest wish wins
      } catch (error) {
        this.kept.delete(key);
        image.alt = error.message;
      }
    }
  }

  function all(run) {
    return run.stages.flatMap((stage) => stage.previews.map((one) => ({ ...one, stage: stage.name, stage_words: stage.words })));
  }

  space.Previews = Previews;
})();
