/* Step 3 of a set: progress with rate and time left, the newest pictures, Stop and Go on. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  class WorkStep {
    /** @param {object} desk see dataset.js */
    constructor(desk) {
      const { make } = space;
      this.desk = desk;
      this.title = make("h2", { tabindex: "-1" }, "3 · Synthesize");
      this.words = make("p", { role: "status", id: "dataset-state" });
      this.bar = make("div", { class: "tr-bar", role: "progressbar", "aria-label": "Pictures made", "aria-valuemin": "0", "aria-valuemax": "100" }, make("span", {}));
      this.figures = make("dl", { class: "tr-figures" });
      this.stop = make("button", { type: "button", class: "tr-button", id: "dataset-stop" }, "Stop");
      this.again = make("button", { type: "button", class: "tr-button", id: "dataset-again", title: "A new set with this plan, changed as you like" }, "Change the plan…");
      this.said = make("p", { class: "tr-said", id: "dataset-work-said", role: "status" });
      this.newest = make("div", { class: "ds-newest", id: "dataset-newest", "aria-label": "Newest pictures" });
      this.lines = make("ul", { class: "tr-lines" });
      this.log = make("pre", { class: "tr-log", tabindex: "0", "aria-label": "Log" });
      this.element = make("section", { class: "tr-card", id: "dataset-step-3" });
      this.element.append(this.title, this.words, this.bar, this.figures, make("div", { class: "tr-acts" }, this.stop, this.again), this.said, this.newest, this.lines);
      this.element.append(make("details", { class: "tr-fold" }, make("summary", {}, "Log"), this.log));
      this.stop.addEventListener("click", () => this.ask("stop"));
      this.again.addEventListener("click", () => this.desk.again(this.desk.set()).catch((error) => this.tell("bad", error.message)));
      this.seen = new Map();
    }

    open() {}

    stale() {
      this.seen.clear();
      this.newest.replaceChildren();
      this.tell("", "");
    }

    /** @param {object} set as the server function `watch` tells */
    show(set) {
      this.title.textContent = `3 · Synthesize: ${set.title}`;
      this.words.textContent = set.words;
      this.element.dataset.state = set.state_words;
      const part = set.total ? (100 * set.made) / set.total : 0;
      this.bar.firstChild.style.width = `${part}%`;
      this.bar.setAttribute("aria-valuenow", String(Math.round(part)));
      this.bar.hidden = !set.total;
      const rows = [["Pictures", set.total ? `${set.made.toLocaleString("en")} of ${set.total.toLocaleString("en")}` : ""]];
      if (set.rate) rows.push(["Rate", set.rate >= 1 ? `${set.rate.toFixed(1)} pictures a second` : `${(1 / set.rate).toFixed(1)} s a picture`]);
      if (set.seconds_left !== null && set.made < set.total) rows.push(["Time left", space.span(set.seconds_left)], ["Done at", space.clock(Date.now() / 1000 + set.seconds_left).slice(11)]);
      if (set.total && set.made >= set.total && !set.scored) rows.push(["Now", "measuring each picture"]);
      this.figures.replaceChildren(...rows.filter((row) => row[1]).map(([name, value]) => space.make("div", {}, space.make("dt", {}, name), space.make("dd", {}, value))));
      this.stop.hidden = !set.can.stop;
      this.lines.replaceChildren(...set.lines.map((line) => space.make("li", {}, line)));
      this.log.textContent = set.log;
      this.fill(set);
    }

    async fill(set) {
      const missing = set.newest.filter((id) => !this.seen.has(id));
      if (missing.length) {
        try {
          const { pictures } = await this.desk.ask("picture", { set: set.id, ids: missing });
          for (const [id, jpeg] of Object.entries(pictures)) if (jpeg) this.seen.set(id, jpeg);
        } catch (error) {
          return this.tell("bad", error.message);
        }
      }
      const shown = set.newest.filter((id) => this.seen.has(id));
      if (this.desk.set() !== set.id || this.newest.dataset.key === shown.join()) return;
      this.newest.dataset.key = shown.join();
      this.newest.replaceChildren(...shown.map((id) => space.make("img", { alt: `synthesized picture ${id} with its outline`, src: "data:image/jpeg;base64," + this.seen.get(id) })));
    }

    async ask(what) {
      try {
        await this.desk.ask(what, { set: this.desk.set() });
        this.tell("", "");
      } catch (error) {
        this.tell("bad", error.message);
      }
      await this.desk.look();
    }

    tell(kind, text) {
      this.said.dataset.kind = kind;
      this.said.textContent = text;
    }

    next() {
      const set = this.desk.found();
      if (!set) return { words: "", label: "" };
      if (set.scored) return { words: "Every picture is made and measured.", label: "Next: review", act: () => this.desk.go(3) };
      if (set.can.resume) return { words: set.words, label: "Go on", act: () => this.ask("resume") };
      const left = set.seconds_left !== null && set.made < set.total ? `About ${space.span(set.seconds_left)} left. ` : "";
      return { words: `${left}You may close this page; it goes on.`, label: "Next: review", wait: true };
    }
  }

  Object.assign(space, { WorkStep });
})();
