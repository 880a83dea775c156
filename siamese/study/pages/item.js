/* One presentation: its pictures, the question, the times. Saving is the desk's; what follows is the server's. */
(function () {
  "use strict";
  const space = (window.SiameseRating = window.SiameseRating || {});
  const STILL = 300; // ms after the pictures appear in which a second click of a double click is no answer
  const WAIT = 700; // ms before a picture that did not arrive is asked for again

  space.ItemPage = class {
    /** @param {object} desk */
    constructor(desk) {
      const { make } = space;
      this.desk = desk;
      this.state = null;
      this.ready = false;
      this.wall = new space.Wall(desk.words, () => desk.sheet.width_cm * desk.measure.pxPerCm, (i) => this.clicked(i));
      this.panel = space.panel(desk, (answer) => this.answer(answer), this.wall);
      this.notice = make("p", { class: "rt-notice" });
      this.changed = make("p", { class: "rt-notice" }, desk.words.screen_changed, " ",
        make("button", { type: "button", class: "rt-button", click: () => desk.again() }, desk.words.screen_again));
      this.element = make("div", { class: "rt-item", "data-together": desk.sheet.together },
        make("div", { class: "rt-notices" }, this.notice, this.changed), this.wall.element, this.panel.element);
      this.panel.element.addEventListener("click", (event) => this.open || event.stopPropagation(), true); // before its buttons
      document.addEventListener("visibilitychange", () => this.looked());
      addEventListener("resize", () => this.measured());
    }

    /** Show what the state says. */
    async show(state) {
      const { desk } = this;
      this.state = state;
      this.ready = false;
      this.wall.bare();
      this.panel.reset(state);
      this.notice.textContent = state.stage === "practice" ? desk.sheet.texts.practice : "";
      this.measured();
      let pictures = null;
      let outlines = null;
      try {
        [pictures, outlines] = await Promise.all([desk.album.get(state.place, state.pictures), desk.album.fetch(state.outlines)]);
      } catch {
        if (this.state !== state) return; // something else is shown by now
        desk.say("bad", desk.words.picture_lost);
        await space.pause(WAIT);
        if (this.state === state) desk.refresh();
        return;
      }
      if (this.state !== state) return;
      this.wall.hang(pictures, outlines, this.panel.choose);
      this.panel.reset(state);
      this.began = performance.now();
      this.hiddenMs = 0;
      this.hiddenSince = document.hidden ? this.began : null;
      this.shownAt = Math.round(state.now + (this.began - desk.heard) * 1000); // µs of the server's clock
      this.ready = true;
      desk.drawn();
      desk.album.ahead(state.place + 1, state.ahead);
    }

    /** Leave: what is still on its way must not appear. */
    close() {
      this.state = null;
      this.ready = false;
      this.wall.bare();
    }

    looked() {
      if (!this.ready) return;
      const now = performance.now();
      if (document.hidden) this.hiddenSince = this.hiddenSince ?? now;
      else if (this.hiddenSince !== null) {
        this.hiddenMs += now - this.hiddenSince;
        this.hiddenSince = null;
      }
    }

    measured() {
      this.changed.hidden = !this.desk.measure.changed;
    }

    get open() {
      return this.ready && !this.desk.busy && performance.now() - this.began >= STILL;
    }

    clicked(i) {
      if (this.open) this.panel.clicked(i);
    }

    key(event) {
      return this.open && this.panel.key(event);
    }

    /** Take a half-given answer back. */
    back() {
      return this.ready && !this.desk.busy && this.panel.back();
    }

    answer(answer) {
      if (!this.open) return;
      this.looked();
      const facts = {
        ms: Math.round(performance.now() - this.began),
        hidden_ms: Math.round(this.hiddenMs),
        shown: this.shownAt,
        ...this.wall.size,
      };
      this.ready = false;
      this.desk.send("vote", { place: this.state.place, answer, facts });
    }
  };
})();
