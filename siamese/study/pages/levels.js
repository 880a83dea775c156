/* P3: five worded levels with their anchors, one named scale at a time; and which panel a protocol has. */
(function () {
  "use strict";
  const space = (window.SiameseRating = window.SiameseRating || {});

  space.Levels = class extends space.Panel {
    constructor(desk, answer, wall) {
      super(desk, answer);
      this.wall = wall;
    }

    /** @param {{question: string}} state key of the scale */
    reset(state) {
      const { make } = space;
      const { words, sheet } = this.desk;
      const scale = sheet.scales.find((one) => one.key === state.question);
      if (scale === this.scale) return;
      this.scale = scale;
      const levels = scale.levels.map((name, i) => {
        const level = 5 - i;
        return make(
          "button",
          { type: "button", class: "rt-button rt-level", "data-level": level, click: (event) => event.detail < 2 && this.answer({ level }) },
          make("kbd", {}, String(level)),
          make("span", {}, make("b", {}, name), make("small", {}, scale.anchors[i]))
        );
      });
      const outline = make("button", { type: "button", class: "rt-button", id: "rt-outline", click: () => this.wall.toggle() }, words.outline);
      this.element.replaceChildren(
        make("p", { class: "rt-label" }, scale.name),
        ...this.question(scale.question, words.keys_p3),
        make("div", { class: "rt-levels", role: "group", "aria-label": scale.question }, ...levels),
        ...(scale.with_mask ? [outline] : [])
      );
    }

    key(event) {
      if (/^[1-5]$/.test(event.key)) this.answer({ level: Number(event.key) });
      else if (event.key.toLowerCase() === "o" && this.scale.with_mask) this.wall.toggle();
      else return false;
      return true;
    }
  };

  const PANELS = { P1: space.RealOrSynthetic, P2: space.Ranks, P3: space.Levels, P4: space.WhichOne };

  /** @returns {Panel} of the study's protocol */
  space.panel = (desk, answer, wall) => new PANELS[desk.sheet.protocol](desk, answer, wall);

  /** An answer in few words, for "saved". @param {object} sheet @param {object} answer @param {string} question key of the scale (P3) */
  space.spoken = function (sheet, answer, question) {
    const { texts, scales } = sheet;
    switch (sheet.protocol) {
      case "P1":
        return `${answer.real ? texts.real : texts.synthetic}, ${answer.confidence}`;
      case "P2":
        return answer.order.map((i) => i + 1).join(", ");
      case "P3":
        return `${answer.level} ${(scales.find((one) => one.key === question) || scales[0]).levels[5 - answer.level]}`;
      default:
        return String(answer.patient + 1);
    }
  };
})();
