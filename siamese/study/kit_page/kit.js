/* What a kit adds to the pages: where answers lie, saving them as a file, going on from one. Then it begins. */
(function () {
  "use strict";
  const space = window.SiameseRating;
  const { make } = space;

  class Kit {
    /** @param {object} kit what it knows @param {KitDoor} door open @param {HTMLElement} root of the pages @param {HTMLElement} bar */
    constructor(kit, door, root, bar) {
      this.kit = kit;
      this.door = door;
      this.words = kit.words.kit;
      space.Door = class {
        constructor() {
          return door; // the pages make their own way in; here is another
        }
      };
      this.desk = space.mount(root, { ...kit.words, send: this.words.finish });
      this.desk.measure.known = door.measure;
      this.say = this.desk.say.bind(this.desk);
      this.desk.say = (kind, text) => {
        if (kind === "good" && !door.kept) this.say("bad", `${text}. ${this.words.held}`);
        else this.say(kind, text);
        this.foot();
      };
      const put = this.desk.put.bind(this.desk);
      this.desk.put = (stage, page) => {
        put(stage, page);
        this.dress(stage, page.element);
      };
      this.bar = bar;
      this.where = make("span", {});
      bar.append(this.where, this.button("kit-save", this.words.save));
      this.foot();
      addEventListener("beforeunload", (event) => door.unsafe && event.preventDefault());
    }

    /** Where answers lie now: a disk can become full. */
    foot() {
      this.bar.dataset.kept = this.door.kept ? "yes" : "no";
      this.where.textContent = this.door.kept ? this.words.kept : this.words.refused;
    }

    button(id, text, strong = false) {
      return make("button", { type: "button", id, class: `rt-button${strong ? " strong" : ""}`, click: () => this.save() }, text);
    }

    /** Pages that say something else in a kit. */
    dress(stage, element) {
      if (stage === "information") this.information(element);
      if (stage === "done") this.done(element);
      if (stage === "withdrawn") this.withdrawn(element);
      this.bar.hidden = stage === "withdrawn";
    }

    information(element) {
      const file = make("input", { type: "file", accept: ".json,application/json", id: "kit-file", hidden: true, change: () => this.goOn(file) });
      const choose = make("button", { type: "button", class: "rt-button", id: "kit-go-on", click: () => file.click() }, this.words.go_on);
      const about = make("div", { class: "kit-box" }, make("p", {}, this.words.about), make("p", {}, this.words.go_on_about, " "), make("div", { class: "rt-acts" }, choose, file));
      element.querySelector("dl").before(about);
    }

    /** The thanks say that all is done: only after the file is saved. */
    done(element) {
      const thanks = [...element.children].slice(1);
      thanks.forEach((part) => (part.hidden = true));
      this.thanks = () => thanks.forEach((part) => (part.hidden = false));
      element.firstElementChild.after(
        make("div", { class: "kit-box" }, make("h2", {}, this.words.step_title), make("p", {}, this.words.step), make("div", { class: "rt-acts" }, this.button("kit-last", this.words.save, true)))
      );
    }

    withdrawn(element) {
      const save = this.button("kit-withdrawal", this.words.save_withdrawal, true);
      element.replaceChildren(element.firstElementChild, make("p", {}, this.words.gone), make("div", { class: "rt-acts" }, save));
    }

    save() {
      const name = `answers-rater-${String(this.kit.rater).padStart(2, "0")}-${this.kit.kit.slice(0, 8)}.json`;
      space.download(name, this.door.file());
      this.say("note", space.fill(this.words.filed, { name }));
      if (this.thanks) this.thanks();
    }

    async goOn(file) {
      const [chosen] = file.files;
      file.value = "";
      if (!chosen) return;
      try {
        await this.door.adopt(await space.readAnswers(this.kit, chosen));
        this.desk.measure.known = null;
        this.desk.refresh();
      } catch (error) {
        this.say("bad", error.message);
      }
    }
  }

  /** One tab at a time where the browser can tell; elsewhere each looks at what is kept before it adds to it. */
  function alone(name, begin, busy) {
    if (!navigator.locks) return begin();
    const waiting = setTimeout(busy, 1000);
    const hold = () => {
      clearTimeout(waiting);
      begin();
      return new Promise(() => {}); // until the page is closed
    };
    return navigator.locks.request(name, hold).catch((error) => {
      if (error.name !== "SecurityError") throw error;
      clearTimeout(waiting);
      begin(); // no locks for files in this browser
    });
  }

  const kit = JSON.parse(document.getElementById("d-kit").textContent);
  const root = document.getElementById("pages");
  document.title = kit.sheet.title;
  const begin = async () => {
    const door = new space.KitDoor(kit);
    await door.open();
    window.__kit = new Kit(kit, door, root, document.getElementById("bar")); // for checks
  };
  const busy = () => root.replaceChildren(make("article", { class: "rt-sheet" }, make("h1", {}, kit.sheet.title), make("p", {}, kit.words.kit.twice)));
  const open = () => alone(`rating-kit-${kit.kit}`, begin, busy);
  if (location.hash.slice(1) === kit.kit) open(); // the pages look for a secret in the address
  else {
    addEventListener("hashchange", open, { once: true });
    location.hash = kit.kit;
  }
})();
