/*
 * Where a kit's answers are kept: in localStorage, and in IndexedDB as well. Chromium writes localStorage to disk some
 * seconds later, and a browser that is killed loses it; a strict transaction of IndexedDB is on disk when it ends.
 */
(function () {
  "use strict";
  const space = window.SiameseRating;

  space.Vault = class {
    /** @param {string} name */
    constructor(name) {
      this.name = name;
      this.count = 0; // of writings: the copy that has more is newer
      this.kept = false; // what was written last outlives this page
    }

    /** Open it. @returns {Promise<?object>} what was kept */
    async open() {
      this.database = await done(indexed(this.name)).catch(() => null);
      const found = await this.read();
      await this.write(found); // a trial: a private window or a clinic's rules may refuse
      return found;
    }

    /** The newer of both copies. @returns {Promise<?object>} */
    async read() {
      const copies = [await this.fromDatabase(), this.fromStorage()].filter(Boolean);
      const newest = copies.sort((one, other) => other.count - one.count)[0] || { count: 0, value: null };
      this.count = newest.count;
      return newest.value;
    }

    /** Keep a value; `kept` says whether it worked. */
    async write(value) {
      const copy = { count: ++this.count, value };
      const text = JSON.stringify(copy);
      let stored = false;
      try {
        localStorage.setItem(this.name, text);
        stored = localStorage.getItem(this.name) === text;
      } catch {
        /* refused or full: the other copy may do */
      }
      this.kept = (await this.toDatabase(copy)) || stored;
    }

    fromStorage() {
      try {
        return JSON.parse(localStorage.getItem(this.name));
      } catch {
        return null;
      }
    }

    async fromDatabase() {
      if (!this.database) return null;
      return done(this.database.transaction("kept").objectStore("kept").get("all")).catch(() => null);
    }

    async toDatabase(copy) {
      if (!this.database) return false;
      return new Promise((answer) => {
        const transaction = this.database.transaction("kept", "readwrite", { durability: "strict" });
        transaction.objectStore("kept").put(copy, "all");
        transaction.oncomplete = () => answer(true);
        transaction.onabort = () => answer(false);
      });
    }
  };

  function indexed(name) {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("kept");
    return request;
  }

  function done(request) {
    return new Promise((answer, refuse) => {
      request.onsuccess = () => answer(request.result);
      request.onerror = () => refuse(request.error);
    });
  }
})();
