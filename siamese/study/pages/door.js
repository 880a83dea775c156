/* The way to the server. Whatever is to be stored waits here and in sessionStorage until the server has said that it is. */
(function () {
  "use strict";
  const space = (window.SiameseRating = window.SiameseRating || {});
  const PATIENCE = 15000; // ms for one request
  const WAITS = [400, 800, 1600, 3000, 5000]; // ms between tries

  /** The server's word; `kind`: link, late, refused (all final), again (try once more), gone (a used token). */
  space.Refusal = class extends Error {
    constructor(message, kind) {
      super(message);
      this.kind = kind;
    }
  };

  space.Door = class {
    /** @param {string} key the secret of the link; it leaves in bodies alone */
    constructor(key) {
      this.key = key;
    }

    /** @returns {Promise<object>} the answer @throws {Refusal} */
    async post(name, body) {
      const response = await this.reach(`rate/${name}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ ...body, key: this.key }),
      });
      let answer = null;
      try {
        answer = response.json();
      } catch {
        /* not ours: a proxy says that nobody is behind it, or the answer was cut */
      }
      if (response.ok && answer) return answer;
      if (answer && answer.error) throw new space.Refusal(answer.error, answer.kind);
      throw new space.Refusal("", "again");
    }

    /** A picture by its token, once. @returns {Promise<ImageBitmap>} @throws {Refusal} */
    async picture(token) {
      const response = await this.reach(`rate/picture/${token}`, {});
      if (response.status === 404) throw new space.Refusal("", "gone");
      if (!response.ok) throw new space.Refusal("", "again");
      try {
        return await createImageBitmap(response.blob());
      } catch {
        throw new space.Refusal("", "gone"); // cut on its way; the token is used
      }
    }

    async reach(url, options) {
      const stop = new AbortController();
      const alarm = setTimeout(() => stop.abort(), PATIENCE);
      try {
        const response = await fetch(url, { ...options, signal: stop.signal, cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" });
        const body = await response.arrayBuffer(); // within the patience too
        const { ok, status } = response;
        return { ok, status, blob: () => new Blob([body], { type: "image/png" }), json: () => JSON.parse(new TextDecoder().decode(body)) };
      } catch {
        throw new space.Refusal("", "again");
      } finally {
        clearTimeout(alarm);
      }
    }
  };

  /** Try until it works or the server refuses for good, each wait longer; a network that comes back is noticed at once. */
  space.insist = async function (attempt, failed) {
    for (let tries = 0; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof space.Refusal && error.kind !== "again") throw error;
        failed(tries);
        await new Promise((done) => {
          const again = () => {
            clearTimeout(alarm);
            removeEventListener("online", again);
            done();
          };
          const wait = WAITS[Math.min(tries, WAITS.length - 1)];
          const alarm = setTimeout(again, wait * (0.75 + Math.random() / 2));
          addEventListener("online", again);
        });
      }
    }
  };

  /** Sends one thing after another, each until it is stored or refused; its client id is made once. */
  space.Outbox = class {
    /**
     * @param {{post: (name: string, body: object) => Promise<object>}} door
     * @param {Shelf} shelf keeps what waits over a reload
     * @param {{waiting: (tries: number) => void, stored: (entry: object, answer: object) => void, refused: (entry: object, error: Refusal) => void}} hooks
     */
    constructor(door, shelf, hooks) {
      this.door = door;
      this.shelf = shelf;
      this.hooks = hooks;
      this.entries = shelf.get() || [];
      this.busy = null;
    }

    get empty() {
      return this.entries.length === 0;
    }

    /** Store something; kept before anything else happens. @param {string} name route @param {object} body */
    send(name, body) {
      this.entries.push({ name, body: { ...body, client_id: space.fresh() } });
      this.shelf.set(this.entries);
      return this.flush();
    }

    /** Send all that waits. @returns {Promise<void>} when nothing waits any more */
    flush() {
      if (!this.busy) this.busy = this.work().finally(() => (this.busy = null));
      return this.busy;
    }

    async work() {
      while (this.entries.length) {
        const entry = this.entries[0];
        let answer = null;
        let refused = null;
        try {
          answer = await space.insist(() => this.door.post(entry.name, entry.body), (tries) => this.hooks.waiting(tries));
        } catch (error) {
          refused = error;
        }
        this.entries.shift();
        this.shelf.set(this.entries.length ? this.entries : null);
        if (answer) this.hooks.stored(entry, answer);
        else this.hooks.refused(entry, refused);
      }
    }
  };
})();
