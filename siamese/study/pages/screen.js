/* The screen check: three fields to count squares in, then the size of a bank card. Nothing of it lets anybody out. */
(function () {
  "use strict";
  const space = (window.SiameseRating = window.SiameseRating || {});
  const USUAL = 96 / 2.54; // CSS px per cm of a screen that says the truth
  const STILL = 250; // ms in which a second press of the same key is no answer to the next field

  /** What this browser knows of its screen; another device must be measured anew. */
  space.Measure = class {
    /** @param {Shelf} shelf */
    constructor(shelf) {
      this.shelf = shelf;
      this.known = shelf.get();
    }

    keep(pxPerCm, dpr) {
      this.known = { pxPerCm, dpr };
      this.shelf.set(this.known);
    }

    /** CSS px per cm now: zooming makes a CSS px larger by as much as devicePixelRatio grows. */
    get pxPerCm() {
      return this.known ? (this.known.pxPerCm * this.known.dpr) / window.devicePixelRatio : USUAL;
    }

    get changed() {
      return Boolean(this.known) && Math.abs(this.known.dpr - window.devicePixelRatio) > 0.001;
    }
  };

  /** One step after another. @param {object} desk @returns {{element: HTMLElement, key: (event: KeyboardEvent) => boolean}} */
  space.screenPage = function (desk) {
    const { make } = space;
    const { words, sheet, measure } = desk;
    const found = {};
    const steps = ["dark", "light", "red", "card"];
    const element = make("article", { class: "rt-sheet rt-screen" });
    let step = 0;
    let card = null;
    let since = 0;

    const head = () => [
      make("h1", {}, space.fill(words.screen_title, { step: step + 1, steps: steps.length })),
      make("p", { class: "rt-soft" }, words.screen_before),
    ];

    function count(number) {
      if (performance.now() - since < STILL) return;
      found[steps[step]] = number;
      step += 1;
      show();
    }

    function counting(name) {
      const numbers = space.FIELDS[name].squares.length + 1;
      const buttons = Array.from({ length: numbers }, (_, n) =>
        make("button", { type: "button", class: "rt-button rt-number", "data-count": n, click: (event) => event.detail < 2 && count(n) }, String(n))
      );
      return [make("h2", {}, words[`screen_${name}`]), space.field(name), make("div", { class: "rt-acts" }, ...buttons), make("p", { class: "rt-soft" }, words.screen_keys)];
    }

    function measuring() {
      card = new space.Card(words, measure.pxPerCm);
      const fits = make("button", { type: "button", class: "rt-button strong", id: "rt-fits", click: finish }, words.card_fits);
      return [make("h2", {}, words.screen_card), card.element, make("p", { class: "rt-note", id: "rt-room", role: "status" }), make("div", { class: "rt-acts" }, fits)];
    }

    /** What would be smaller than the study asks, said before it matters. */
    function room() {
      const note = element.querySelector("#rt-room");
      if (!note || !card) return;
      const pinch = Math.round(((window.visualViewport || { scale: 1 }).scale - 1) * 100);
      const across = window.innerWidth - 40;
      const down = window.innerHeight - 200;
      const row = (across - 16 * (sheet.together - 1)) / sheet.together;
      const column = Math.min(across, (down - 16 * (sheet.together - 1)) / sheet.together - 30);
      const fits = Math.max(Math.min(row, down), column) / card.pxPerCm;
      const text = space.fill(words.too_small, { wanted: sheet.width_cm, fits: Math.max(0, Math.floor(fits * 10) / 10) });
      note.textContent = pinch > 1 ? space.fill(words.pinched, { percent: pinch }) : fits < sheet.width_cm ? text : "";
    }

    function finish() {
      const { screen, innerWidth, innerHeight, devicePixelRatio, visualViewport } = window;
      measure.keep(card.pxPerCm, devicePixelRatio);
      desk.send("screen", {
        ...found,
        px_per_cm: card.pxPerCm,
        dpr: devicePixelRatio,
        zoom: visualViewport ? visualViewport.scale : 1,
        screen: [screen.width, screen.height],
        window: [innerWidth, innerHeight],
        touch: navigator.maxTouchPoints > 0,
      });
    }

    function show() {
      const name = steps[step];
      element.replaceChildren(...head(), ...(name === "card" ? measuring() : counting(name)));
      element.dataset.step = name;
      since = performance.now();
      if (card) card.slider.focus();
      room();
    }

    function key(event) {
      if (steps[step] !== "card") {
        const number = Number(event.key);
        if (event.key.trim() === "" || !Number.isInteger(number) || number >= space.FIELDS[steps[step]].squares.length + 1) return false;
        count(number);
        return true;
      }
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, "-": -1, "+": 1 }[event.key];
      if (by) card.change(event.shiftKey ? 10 * by : by);
      else if (event.key === "Enter" && event.target.tagName !== "BUTTON") finish();
      else return false;
      room();
      return true;
    }

    element.addEventListener("input", room);
    element.addEventListener("click", room);
    addEventListener("resize", room);
    show();
    return { element, key, close: () => removeEventListener("resize", room) };
  };
})();
