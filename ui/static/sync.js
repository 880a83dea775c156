/* Keeps the server's copy of the mask equal to the one on the screen, and the browser's copy while it cannot. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const TIMEOUT = 8000; // ms after which a call counts as unanswered
  const SIGNED_OUT = "You are signed out: reload this page and sign in.";
  const WAITS = [500, 1000, 2000, 4000]; // ms between attempts

  class Sync {
    /**
     * @param {Engine} engine
     * @param {{save: Function, load: Function}} server both take one object with the page's token
     * @param {() => string} token
     * @param {{say: (kind: string, text: string) => void, show: () => void, warn: (sentences: string[]) => void}} page
     */
    constructor(engine, server, token, page) {
      this.engine = engine;
      this.server = server;
      this.token = token;
      this.page = page;
      this.revision = 0;
      this.acknowledged = -1; // the last revision the server said it holds
      this.key = null; // name of this person's copy in the browser
      this.busy = false;
      this.failures = 0;
      this.timer = 0;
      this.waiting = []; // flush() callers
      window.addEventListener("online", () => this.retry());
      document.addEventListener("visibilitychange", () => this.look());
      window.addEventListener("focus", () => this.look());
    }

    get loaded() {
      return this.key !== null;
    }

    get saved() {
      return this.loaded && this.acknowledged === this.revision;
    }

    /** Fetch the stored mask; tries until it is there. */
    async start() {
      if (this.loaded || this.busy) return;
      this.busy = true;
      try {
        const stored = await answered(this.server.load({ token: this.token() }));
        if (!stored.ok) throw new Refused(stored.error);
        this.take(stored);
        this.failures = 0;
      } catch (error) {
        this.failures++;
        this.page.say("bad", error.message);
        this.later(() => this.start());
      } finally {
        this.busy = false;
      }
      this.pump();
    }

    take(stored) {
      this.key = "siamese-mask-" + stored.key;
      this.revision = this.acknowledged = stored.revision;
      this.engine.reset(space.rasterOf(stored.runs, stored.width, stored.height), stored.width, stored.height);
      this.page.warn(stored.warnings);
      const kept = this.kept();
      const raster = kept && space.rasterOf(kept.runs, kept.width, kept.height);
      if (kept && this.engine.replace(raster, kept.width, kept.height)) {
        // strokes this browser could not save: they come back, and undo leads to the server's copy
        this.revision = Math.max(stored.revision, kept.revision) + 1;
        this.page.say("busy", "Strokes that were not saved before are back.");
      } else {
        this.forget();
        this.page.say("good", "saved");
      }
      this.page.show();
    }

    /** The mask on the screen changed. */
    changed() {
      this.revision++;
      this.remember();
      this.pump();
    }

    async pump() {
      if (this.busy || !this.loaded || this.saved) return;
      this.busy = true;
      clearTimeout(this.timer);
      const sent = this.revision;
      if (!this.failures) this.page.say("busy", "saving…");
      try {
        const answer = await answered(
          this.server.save({ token: this.token(), revision: sent, ...this.drawing() })
        );
        this.failures = 0;
        if (!answer.ok && answer.stored === undefined) throw new Refused(answer.error);
        if (!answer.ok) {
          // another window saved meanwhile; the window in which somebody draws wins
          this.revision = Math.max(this.revision, answer.stored) + 1;
          this.remember();
        } else {
          this.acknowledged = sent;
          this.page.warn(answer.warnings);
          if (this.saved) this.done();
        }
      } catch (error) {
        this.failures++;
        const kept = "Your strokes are kept in this browser and will be saved.";
        this.page.say("bad", error instanceof Refused ? error.message : `Not saved yet. ${error.message} ${kept}`);
        this.later(() => this.pump());
        return;
      } finally {
        this.busy = false;
      }
      this.pump();
    }

    done() {
      this.forget();
      this.page.say("good", "saved " + new Date().toTimeString().slice(0, 8));
      this.waiting.splice(0).forEach((settle) => settle(this.revision));
    }

    later(again) {
      clearTimeout(this.timer);
      this.timer = setTimeout(again, WAITS[Math.min(this.failures, WAITS.length) - 1]);
    }

    retry() {
      if (this.loaded) this.pump();
      else this.start();
    }

    /** Resolves with the revision once the server holds what is on the screen, with null when it does not come. */
    async flush(patience = TIMEOUT) {
      if (this.saved) await this.look(); // what is on the screen is what will be used, also with two windows
      if (this.saved) return this.revision;
      this.retry();
      return new Promise((settle) => {
        this.waiting.push(settle);
        setTimeout(() => settle(null), patience);
      });
    }

    /** Coming back to this window: has another one saved something newer? */
    async look() {
      if (document.visibilityState !== "visible" || !this.saved || this.busy || this.editing()) return;
      this.busy = true;
      try {
        const stored = await answered(this.server.load({ token: this.token(), since: this.revision }));
        if (stored.ok && stored.runs && stored.revision > this.revision && !this.editing() && this.saved) {
          const { width, height, warnings } = stored;
          this.engine.replace(space.rasterOf(stored.runs, width, height), width, height);
          this.page.warn(warnings);
          this.revision = this.acknowledged = stored.revision;
          this.page.say("good", "updated from another window");
          this.page.show();
        }
      } catch (error) {
        this.page.say("bad", `${error.message} Your drawing is saved up to here.`);
      } finally {
        this.busy = false;
      }
      this.pump();
    }

    /** What is stored of the engine. */
    drawing() {
      const { width, height } = this.engine;
      return { width, height, runs: this.engine.runs() };
    }

    editing() {
      return this.engine.drawing || this.engine.preview !== null;
    }

    remember() {
      if (this.key) space.memory.set(this.key, JSON.stringify({ revision: this.revision, ...this.drawing() }));
    }

    forget() {
      space.memory.remove(this.key);
    }

    kept() {
      try {
        const kept = JSON.parse(space.memory.get(this.key) || "null");
        if (!kept) return null;
        space.rasterOf(kept.runs, kept.width, kept.height);
        return kept;
      } catch (error) {
        console.warn("The copy in this browser cannot be read:", error);
        return null;
      }
    }
  }

  /** The server said no, in words for the page. */
  class Refused extends Error {}

  /** The answer of a server function. Gradio gives undefined when the call failed, whatever the reason.
      @throws {Error} when there is none in time; its message is for the page */
  async function answered(promise) {
    let timer = 0;
    const late = new Promise((settle) => (timer = setTimeout(settle, TIMEOUT)));
    const answer = await Promise.race([promise, late]);
    clearTimeout(timer);
    if (answer) return answer;
    throw new Error((await signedOut()) ? SIGNED_OUT : "The server does not answer.");
  }

  async function signedOut() {
    try {
      return (await fetch("config", { cache: "no-store" })).status === 401;
    } catch (error) {
      return false; // nobody there at all
    }
  }

  space.Sync = Sync;
  space.answered = answered;
})();
