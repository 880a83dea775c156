/* In place of the way to a server (`door.js` of the pages): pictures out of this file, answers into this browser. */
(function () {
  "use strict";
  const space = window.SiameseRating;
  const UNDO = 10000; // ms

  space.KitDoor = class {
    /** @param {object} kit what the kit knows */
    constructor(kit) {
      this.kit = kit;
      this.vault = new space.Vault(`rating-kit-${kit.kit}`);
      this.resumed = -1;
      this.undoEnd = 0; // by performance.now(): a clock that jumps opens no window again
      this.records = [];
      this.measure = null; // of this screen: {pxPerCm, dpr}
      this.filed = 0; // acts that the last saved file has
    }

    async open() {
      this.take(await this.vault.open());
    }

    take(value) {
      this.records = value ? value.records : [];
      this.measure = value ? value.measure : null;
    }

    keep() {
      return this.vault.write({ records: this.records, measure: this.measure });
    }

    get kept() {
      return this.vault.kept;
    }

    /** What a server would answer; what was to be stored is kept then, or `kept` is false. */
    async post(name, body) {
      const { client_id: id, ...content } = body;
      if (this.kept) this.take(await this.vault.read()); // another tab may have answered meanwhile
      let saved = {};
      if (id !== undefined && !this.records.some((one) => one.id === id)) {
        saved = this.act(name, content, id);
        await this.keep();
      }
      if (content.resume) this.resumed = this.state().place;
      return { ...saved, state: this.state(), ...(content.full ? { sheet: this.kit.sheet } : {}) };
    }

    act(name, content, id) {
      if (name === "vote") return this.vote(content, id);
      if (name === "undo") this.undo(content.place, id);
      else if (name === "withdraw") this.withdraw(id);
      else if (name === "consent") this.add("consent", id, { version: this.kit.sheet.texts.version, ...content });
      else if (name === "screen") this.screen(content, id);
      else this.add(name, id, content);
      return {};
    }

    screen(content, id) {
      this.add("screen", id, { ...content, squares: space.FIELDS.dark.squares.length });
      this.measure = { pxPerCm: content.px_per_cm, dpr: content.dpr };
    }

    vote({ place, answer, facts }, id) {
      const stored = space.log.answered(this.kit, this.records)[place];
      if (!stored) {
        this.add("vote", id, { answer, facts }, place, this.kit.presentations[place].pictures);
        this.undoEnd = performance.now() + UNDO;
      }
      const stands = [...this.records].reverse().find((one) => one.kind === "vote" && one.place === place);
      return { saved: { place, answer: stands.content.answer, stored } };
    }

    undo(place, id) {
      const last = space.log.newest(this.records, "vote");
      if (last.place === place && space.log.answered(this.kit, this.records)[place]) this.add("undo", id, {}, place);
      this.undoEnd = 0;
    }

    /** What was answered is needed no more: only that the rater has withdrawn is kept. */
    withdraw(id) {
      this.records = [];
      this.add("withdraw", id, {});
    }

    add(kind, id, content, place = -1, pictures = []) {
      this.records = [...this.records, { kind, id, at: Date.now() * 1000, place, pictures, content }];
    }

    state() {
      return space.log.state(this.kit, this.records, this.resumed, Math.max(0, this.undoEnd - performance.now()));
    }

    /** The text of the file to send. */
    file() {
      this.filed = this.records.length;
      return space.answersText(this.kit, this.records);
    }

    /** Go on from the acts of a file, which may come from another screen. */
    async adopt(records) {
      this.records = records;
      this.measure = null;
      this.filed = records.length;
      await this.keep();
    }

    /** Something would be lost if the page were closed now. */
    get unsafe() {
      return !this.kept && this.records.length > this.filed;
    }

    /** @returns {Promise<ImageBitmap>} */
    async picture(token) {
      const text = document.getElementById(`d-${token}`).textContent;
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      unveil(new Uint32Array(bytes.buffer), parseInt(token.slice(0, 8), 16));
      const length = new DataView(bytes.buffer).getUint32(0, true);
      return createImageBitmap(new Blob([bytes.subarray(4, 4 + length)], { type: "image/png" }));
    }
  };

  /** XOR with the stream of `siamese.study.kit_pictures.veil`. */
  function unveil(words, seed) {
    for (let i = 0; i < words.length; i++) {
      let n = (Math.imul(i, 0x9e3779b1) + seed) >>> 0;
      n = Math.imul(n ^ (n >>> 16), 0x85ebca6b);
      n = Math.imul(n ^ (n >>> 13), 0xc2b2ae35);
      words[i] ^= n ^ (n >>> 16);
    }
  }
})();
