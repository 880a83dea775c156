/* How one answers: P1 real or synthetic with confidence, P2 ranks, P4 which one. Nothing is chosen beforehand. */
(function () {
  "use strict";
  const space = (window.SiameseRating = window.SiameseRating || {});

  /**
   * Base of the panels. @param {object} desk {sheet, words} @param {(answer: object) => void} answer saves
   * `key` answers a key and says whether it was one; `back` takes a half-given answer back and says whether there was one.
   */
  class Panel {
    constructor(desk, answer) {
      this.desk = desk;
      this.answer = answer;
      this.element = space.make("div", { class: "rt-panel" });
      this.choose = false; // pictures can be clicked
    }

    question(text, hint) {
      const { make } = space;
      return [make("h2", { class: "rt-question" }, text), make("p", { class: "rt-soft rt-hint" }, hint)];
    }

    /** A new presentation. @param {object} state */
    reset() {}

    clicked() {}

    back() {
      return false;
    }
  }

  /** A key that means a position: 1, 2, … */
  const position = (event, count) => {
    const number = Number(event.key);
    return event.key.trim() !== "" && Number.isInteger(number) && number >= 1 && number <= count ? number - 1 : -1;
  };

  space.RealOrSynthetic = class extends Panel {
    constructor(desk, answer) {
      super(desk, answer);
      const { make } = space;
      const { texts } = desk.sheet;
      const one = (real, key, text) =>
        make("button", { type: "button", class: "rt-button rt-big", "data-key": key, click: (event) => event.detail < 2 && this.say(real) }, make("kbd", {}, key), text);
      this.kinds = [one(true, "R", texts.real), one(false, "S", texts.synthetic)];
      this.sure = Array.from({ length: 10 }, (_, i) =>
        make("button", { type: "button", class: "rt-button rt-number", "data-confidence": i + 1, click: (event) => event.detail < 2 && this.confident(i + 1) }, String(i + 1))
      );
      const scale = make("div", { class: "rt-scale", role: "group", "aria-label": texts.confidence }, ...this.sure);
      this.confidence = make("div", { class: "rt-confidence" }, make("p", { class: "rt-label" }, texts.confidence), scale);
      this.element.append(
        ...this.question(texts.question_p1, desk.words.keys_p1),
        make("div", { class: "rt-pair", role: "group", "aria-label": texts.question_p1 }, ...this.kinds),
        this.confidence
      );
      this.reset();
    }

    reset() {
      this.real = this.chosen = null;
      this.show();
    }

    say(real) {
      this.real = real;
      this.show();
    }

    confident(confidence) {
      if (this.real === null) return;
      this.chosen = confidence;
      this.show();
      this.answer({ real: this.real, confidence });
    }

    show() {
      this.kinds.forEach((button, i) => button.setAttribute("aria-pressed", String(this.real !== null && this.real === (i === 0))));
      this.sure.forEach((button, i) => {
        button.disabled = this.real === null;
        button.setAttribute("aria-pressed", String(this.chosen === i + 1));
      });
      this.element.dataset.half = String(this.real !== null);
    }

    key(event) {
      const letter = event.key.toLowerCase();
      if (letter === "r" || letter === "s") this.say(letter === "r");
      else if (/^[0-9]$/.test(event.key)) this.confident(event.key === "0" ? 10 : Number(event.key));
      else return false;
      return true;
    }

    back() {
      if (this.real === null) return false;
      this.reset();
      return true;
    }
  };

  space.Ranks = class extends Panel {
    /** @param {Wall} wall shows the ranks */
    constructor(desk, answer, wall) {
      super(desk, answer);
      this.wall = wall;
      this.choose = true;
      this.count = desk.sheet.together;
      this.element.append(...this.question(desk.sheet.texts.question_p2, space.fill(desk.words.keys_p2, { count: this.count })));
      this.reset();
    }

    reset() {
      this.order = [];
      this.show();
    }

    /** Once: the next rank; again: taken back, and those after it move up. */
    clicked(i) {
      this.order = this.order.includes(i) ? this.order.filter((one) => one !== i) : [...this.order, i];
      this.show();
      if (this.order.length === this.count) this.answer({ order: this.order });
    }

    show() {
      this.wall.rank(this.order);
      this.element.dataset.half = String(this.order.length > 0);
    }

    key(event) {
      const i = position(event, this.count);
      if (i >= 0) this.clicked(i);
      return i >= 0;
    }

    back() {
      if (!this.order.length) return false;
      this.order.pop();
      this.show();
      return true;
    }
  };

  space.WhichOne = class extends Panel {
    constructor(desk, answer) {
      super(desk, answer);
      const { make } = space;
      this.choose = true;
      const one = (i, text) =>
        make("button", { type: "button", class: "rt-button rt-big", "data-position": i, click: (event) => event.detail < 2 && this.clicked(i) }, make("kbd", {}, text));
      this.element.append(
        ...this.question(desk.sheet.texts.question_p4, desk.words.keys_p4),
        make("div", { class: "rt-pair", role: "group", "aria-label": desk.sheet.texts.question_p4 }, one(0, "1"), one(1, "2"))
      );
    }

    clicked(i) {
      this.answer({ patient: i });
    }

    key(event) {
      const i = { ArrowLeft: 0, ArrowRight: 1 }[event.key] ?? position(event, 2);
      if (i >= 0) this.clicked(i);
      return i >= 0;
    }
  };

  space.Panel = Panel;
})();
