/* Which model makes the pictures: asked now and again, so that an open page follows when somebody chooses another. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const SOON = 1000; // ms, while it is being loaded
  const LATER = 10000;

  /**
   * @param {HTMLElement} element where it is said
   * @param {{server: {model: Function}, token: () => string, view: number[][], guidance: number, steps: number, switched: () => void}} options
   */
  /** What the box of the prompt says, where the model understands words. */
  space.prompt = function () {
    const field = document.documentElement.dataset.prompts === "true" && document.querySelector("#prompt textarea, #prompt input");
    return field ? field.value : "";
  };

  space.modelLine = function (element, options) {
    const shown = { view: JSON.stringify(options.view) };
    space.tuned = { guidance: options.guidance, steps: options.steps };
    let timer = 0;
    let started = false;

    async function look() {
      clearTimeout(timer);
      let wait = LATER;
      try {
        const found = await space.answered(options.server.model({ token: options.token() }));
        if (!found.ok) throw new Error(found.error);
        show(found);
        if (found.state === "loading") wait = SOON;
      } catch (error) {
        console.warn("The model was not asked after:", error); // the drawing says so when the server is gone
      }
      timer = setTimeout(() => !document.hidden && look(), wait);
    }

    function show(found) {
      const text = [found.text, found.notice].filter(Boolean).join(" ");
      if (element.textContent !== text) element.textContent = text;
      element.dataset.state = found.state;
      const view = JSON.stringify(found.view);
      if (view !== shown.view) {
        shown.view = view;
        space.fieldOfView(found.view);
      }
      document.documentElement.dataset.prompts = String(found.prompts);
      if (found.guidance !== space.tuned.guidance || found.steps !== space.tuned.steps) {
        space.tuned = { guidance: found.guidance, steps: found.steps };
        options.switched();
      }
    }

    window.addEventListener("siamese-model", look);
    document.addEventListener("visibilitychange", () => started && !document.hidden && look());
    return {
      start() {
        if (started) return;
        started = true;
        look();
      },
    };
  };
})();
