/* The page as a whole: asks where the rater is, shows that, and says whether everything is saved. */
(function () {
  "use strict";
  const space = (window.SiameseRating = window.SiameseRating || {});
  const { make } = space;

  class Desk {
    /** @param {HTMLElement} root @param {object} words of the study */
    constructor(root, words) {
      this.root = root;
      this.words = words;
      this.sheet = null;
      this.state = null;
      this.page = null;
      this.item = null;
      this.heard = 0; // performance.now() of the last state
      this.undoUntil = 0; // by performance.now()
      this.lastPlace = -1; // of the vote that could be taken back
      this.checking = false;
      const key = decodeURIComponent(location.hash.slice(1));
      this.secret = key;
      const name = space.alias(key);
      this.measure = new space.Measure(new space.Shelf(() => localStorage, `rating-screen-${name}`));
      this.door = new space.Door(key);
      this.album = new space.Album(this.door);
      this.outbox = new space.Outbox(this.door, new space.Shelf(() => sessionStorage, `rating-outbox-${name}`), {
        waiting: (tries) => this.waiting(tries),
        stored: (entry, answer) => this.stored(entry, answer),
        refused: (entry, error) => this.refused(entry, error),
      });
      this.frame();
    }

    frame() {
      this.progress = make("p", { class: "rt-progress", role: "status" });
      this.bar = make("span", {});
      this.main = make("main", { class: "rt-main" });
      this.status = make("p", { class: "rt-status", role: "status", "aria-live": "polite" });
      this.undoButton = make("button", { type: "button", class: "rt-button", id: "rt-undo", hidden: true, click: () => this.undo() });
      this.againButton = make("button", { type: "button", class: "rt-link", id: "rt-again", hidden: true, click: () => this.again() }, this.words.screen_again);
      this.leaveButton = make("button", { type: "button", class: "rt-link", id: "rt-withdraw", hidden: true, click: () => this.withdraw() }, this.words.withdraw);
      this.root.replaceChildren(
        make("header", { class: "rt-head" }, this.progress, make("div", { class: "rt-bar", "aria-hidden": "true" }, this.bar)),
        this.main,
        make("div", { class: "rt-said" }, this.status, this.undoButton),
        make("footer", { class: "rt-foot" }, this.againButton, this.leaveButton)
      );
      document.addEventListener("keydown", (event) => this.key(event));
      addEventListener("hashchange", () => location.reload());
      addEventListener("beforeunload", (event) => !this.outbox.empty && event.preventDefault());
      setInterval(() => this.count(), 250);
    }

    async start() {
      if (!this.secret) return this.put("link", space.linkPage(this.words, this.words.link_missing));
      this.put("opening", space.waitingPage(this.words));
      if (!this.outbox.empty) this.say("bad", this.words.not_saved);
      try {
        const answer = await space.insist(() => this.door.post("state", { full: true }), () => this.say("bad", this.words.unreachable));
        this.sheet = answer.sheet;
        document.title = this.sheet.title;
        document.documentElement.lang = this.sheet.texts.language;
        if (this.outbox.empty) {
          this.say("", "");
          this.show(answer.state);
        } else await this.outbox.flush();
      } catch (error) {
        this.locked(error);
      }
      return null;
    }

    /** Ask where the rater is; shown when the answer comes. @param {object} more */
    async refresh(more) {
      try {
        const answer = await space.insist(() => this.door.post("state", more || {}), () => this.say("bad", this.words.unreachable));
        if (this.status.textContent === this.words.unreachable || this.status.textContent === this.words.picture_lost) this.say("", "");
        this.show(answer.state);
      } catch (error) {
        this.locked(error);
      }
    }

    resume() {
      if (!this.busy) this.refresh({ resume: true });
    }

    /** Something is on its way to the server; until it is stored nothing else is answered. */
    get busy() {
      return !this.outbox.empty;
    }

    send(name, body) {
      if (this.busy) return;
      this.undoUntil = 0;
      this.count();
      this.root.dataset.saved = "no";
      this.slow = setTimeout(() => this.busy && this.say("busy", this.words.saving), 250);
      this.outbox.send(name, body);
    }

    waiting() {
      clearTimeout(this.slow);
      this.say("bad", this.words.not_saved);
    }

    stored(entry, answer) {
      clearTimeout(this.slow);
      this.root.dataset.saved = "yes";
      if (entry.name === "vote") {
        const { saved } = answer;
        this.lastPlace = saved.place;
        const spoken = space.spoken(this.sheet, saved.answer, this.state && this.state.question);
        this.say("good", saved.stored ? `${this.words.elsewhere}: ${spoken}` : `${this.words.saved}: ${spoken}`);
      } else if (entry.name === "undo") this.say("note", this.words.undone);
      else if (entry.name === "screen" || entry.name === "consent") this.say("", "");
      else this.say("good", this.words.saved);
      if (entry.name === "screen") this.checking = false;
      this.show(answer.state);
    }

    refused(entry, error) {
      clearTimeout(this.slow);
      this.root.dataset.saved = "yes";
      if (error.kind === "link") this.locked(error);
      else {
        this.say("bad", error.message);
        this.refresh();
      }
    }

    locked(error) {
      this.say("", "");
      this.leaveButton.hidden = this.againButton.hidden = true;
      this.progress.textContent = "";
      this.undoUntil = 0;
      this.count();
      this.put("link", space.linkPage(this.words, error.message));
    }

    undo() {
      if (!this.busy && this.undoable) this.send("undo", { place: this.lastPlace });
    }

    get undoable() {
      return this.undoUntil > performance.now() && this.lastPlace >= 0;
    }

    /** Possible also while an answer waits for the server; it goes after it. */
    async withdraw() {
      if (await space.ask(this.root, this.words, this.words.withdraw_ask)) this.outbox.send("withdraw", {});
    }

    /** The screen check once more, also on a second device. */
    again() {
      if (this.busy) return;
      this.checking = true;
      this.show(this.state);
    }

    /** Show the page that a state asks for. */
    show(state) {
      this.state = state;
      this.heard = performance.now();
      this.undoUntil = this.heard + state.undo_ms;
      if (state.place >= 0) this.lastPlace = state.place - 1;
      const rating = ["practice", "item", "pause"].includes(state.stage);
      if (rating && !this.measure.known) this.checking = true;
      const stage = rating && this.checking ? "screen" : state.stage;
      this.head(state);
      this.leaveButton.hidden = stage === "withdrawn";
      this.againButton.hidden = !rating || stage === "screen";
      this.count();
      if (stage === "practice" || stage === "item") {
        this.item = this.item || new space.ItemPage(this);
        if (this.page !== this.item) this.put(stage, this.item);
        this.root.dataset.stage = stage;
        this.root.dataset.ready = "false";
        this.item.show(state);
        return;
      }
      const pages = {
        information: () => ({ element: space.informationPage(this) }),
        screen: () => space.screenPage(this),
        pause: () => space.pausePage(this),
        finish: () => space.finishPage(this),
        done: () => space.donePage(this),
        withdrawn: () => space.withdrawnPage(this),
      };
      this.put(stage, pages[stage]());
    }

    put(stage, page) {
      if (this.page && this.page.close) this.page.close();
      this.page = page;
      this.root.dataset.stage = stage;
      this.root.dataset.ready = String(page !== this.item);
      this.main.replaceChildren(page.element);
      this.main.scrollTop = 0;
      const first = page.element.querySelector("h1");
      if (first && page !== this.item) {
        first.tabIndex = -1;
        first.focus({ preventScroll: true });
      }
    }

    head(state) {
      const { words } = this;
      const rating = ["practice", "item", "pause", "finish"].includes(state.stage);
      const left = state.minutes && state.stage !== "finish" ? ` · ${space.fill(words.minutes_left, { minutes: state.minutes })}` : "";
      this.progress.textContent = rating ? space.fill(words.progress, { done: state.done, total: state.total }) + left : "";
      this.bar.style.width = rating ? `${(100 * state.done) / Math.max(1, state.total)}%` : "0";
      this.root.dataset.place = state.place;
    }

    drawn() {
      this.root.dataset.ready = "true";
    }

    /** @param {""|"good"|"bad"|"busy"|"note"} kind @param {string} text */
    say(kind, text) {
      this.status.dataset.kind = kind;
      this.status.textContent = text;
    }

    /** Seconds in which the last vote can be taken back. */
    count() {
      this.undoButton.hidden = this.busy || !this.undoable;
      const seconds = Math.ceil((this.undoUntil - performance.now()) / 1000);
      if (!this.undoButton.hidden) this.undoButton.textContent = space.fill(this.words.undo, { seconds });
      else if (this.status.dataset.kind === "good" && this.undoUntil && !this.busy) {
        this.undoUntil = 0; // the answer of before does not stay beside the next picture
        this.say("", "");
      }
    }

    key(event) {
      const field = event.target.closest && event.target.closest("input[type=text], textarea, dialog");
      if (event.defaultPrevented || event.repeat || event.ctrlKey || event.metaKey || event.altKey || field) return;
      if (this.root.dataset.ready !== "true" && this.page === this.item) return;
      const back = event.key === "Backspace" || event.key.toLowerCase() === "z";
      let used = false;
      if (back) {
        used = Boolean(this.page && this.page.back && this.page.back());
        if (!used && this.undoable) {
          this.undo();
          used = true;
        }
      } else used = Boolean(this.page && this.page.key && this.page.key(event));
      if (used) event.preventDefault();
    }
  }

  /** Open the page in an empty element. @returns {Desk} */
  space.mount = function (element, words) {
    const desk = new Desk(element, words);
    window.__rating = desk; // for checks
    desk.start();
    return desk;
  };
})();
