/* What a screen asks: the server, a task of the server until it is done, and the person. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const EVERY = 400; // ms between two questions about a task
  const LOOK = 2000; // ms between two looks at how everything stands

  /**
   * @param {{server: Object<string, Function>, token: () => string}} options
   * @param {HTMLDialogElement} dialog an empty one of the screen, labelled by #<its id>-title
   */
  space.asking = function (options, dialog) {
    const make = space.make;

    /** The answer of a server function. @throws {Error} whose message is for the page */
    async function ask(name, values = {}) {
      const answer = await space.answered(options.server[name]({ ...values, token: options.token() }));
      if (!answer.ok) throw Object.assign(new Error(answer.error), { stopped: answer.stopped });
      return answer;
    }

    /** Wait until a task is done. @param {(task: {text: string, step: number, total: number}) => void} [progress] */
    async function task(id, progress) {
      for (;;) {
        const found = await ask("task", { task: id });
        if (found.done) return found.result;
        if (progress) progress(found);
        await new Promise((done) => setTimeout(done, EVERY));
      }
    }

    /** Ask something. @param {Array<[string, string]>} answers words and what they mean; the last one stands out
        @returns {Promise<string>} "" when the person went away */
    function question(title, text, answers) {
      const buttons = answers.map(([words, value], i) => {
        const button = make("button", { type: "button", class: "tr-button" + (i === answers.length - 1 ? " strong" : "") }, words);
        button.addEventListener("click", () => dialog.close(value));
        return button;
      });
      const keep = make("button", { type: "button", class: "tr-button" }, "Cancel");
      keep.addEventListener("click", () => dialog.close(""));
      dialog.replaceChildren(make("h2", { id: dialog.getAttribute("aria-labelledby") }, title), make("p", {}, text), make("div", { class: "tr-acts" }, keep, ...buttons));
      dialog.returnValue = "";
      dialog.showModal();
      keep.focus();
      return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue), { once: true }));
    }

    return { ask, task, question };
  };

  /** Look now and again while somebody sees an element.
      @param {() => Promise<void>} look @returns {{start: () => boolean}} start: false when it was started before */
  space.watching = function (element, look) {
    let timer = 0;
    let started = false;
    let visible = false;

    async function wake() {
      clearTimeout(timer);
      if (!started || !visible || document.hidden) return;
      await look();
      clearTimeout(timer);
      if (visible && !document.hidden) timer = setTimeout(wake, LOOK);
    }

    document.addEventListener("visibilitychange", () => wake());
    const seen = new IntersectionObserver((found) => {
      visible = found[found.length - 1].isIntersecting;
      wake();
    });
    return {
      start() {
        if (started) return false;
        started = true;
        seen.observe(element);
        return true;
      },
    };
  };
})();
