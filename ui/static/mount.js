/* Joins engine, tools, view and sync into one component, and gives checks a window to look through. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  /**
   * @param {HTMLElement} element an empty element
   * @param {{size: number, view: number[][], examples: Array, server: object|null, token: () => string}} options
   *   without a server the canvas works on its own (used by the bare-page tests)
   */
  space.mount = function (element, options) {
    const engine = new space.Engine(options.size);
    let sync = null;
    const tools = new space.Tools(element, engine, {
      examples: options.examples,
      edited: () => sync && sync.changed(),
      upload: (file) => upload(file),
    });
    const view = new space.View(tools.canvas, engine, options.view || [], {
      radius: () => tools.radius(),
      erasing: () => tools.erase,
      moved: () => {},
      stroke: () => {
        if (sync) sync.changed();
        tools.show();
        tools.announce(tools.figures.textContent);
      },
    });
    tools.redraw = () => view.draw();

    function open() {
      view.locked = false;
      tools.enable(true);
    }

    if (options.server) {
      tools.enable(false);
      tools.message("busy", "loading your drawing…");
      sync = new space.Sync(engine, options.server, options.token, {
        say: (kind, text) => tools.message(kind, text),
        show: open,
      });
    } else open();

    /** A file goes to the server, which alone decides whether it is a mask; the drawing stays when it is not. */
    async function upload(file) {
      if (!sync || !sync.loaded) return;
      tools.message("busy", `reading ${file.name}…`);
      let answer;
      try {
        const data = await base64(file);
        answer = await space.answered(options.server.check({ token: options.token(), name: file.name, data }));
      } catch (error) {
        answer = { ok: false, error: `${file.name} was not opened. ${error.message}` };
      }
      if (!answer.ok) {
        tools.message("bad", `${answer.error} Your drawing is unchanged.`);
        return;
      }
      tools.edit(() => engine.replace(space.rasterOf(answer.runs, engine.size)), `${file.name} opened`);
      await sync.flush();
      if (answer.notes.length) tools.message("note", `${file.name}: ${answer.notes.join("; ")}`);
    }

    const door = {
      area: () => engine.area(),
      hash: () => engine.hash(),
      undoDepth: () => engine.undoDepth,
      revision: () => (sync ? sync.revision : 0),
      saved: () => Boolean(sync && sync.saved),
      flush: () => (sync ? sync.flush() : Promise.resolve(0)),
    };
    window.__mask = door;
    return {
      engine,
      tools,
      view,
      start: () => sync.start(),
      /** @param {{id: number, op: string, runs?: number[]}|null} cmd one order from the server */
      command(cmd) {
        if (cmd && cmd.op === "load")
          tools.edit(() => engine.replace(space.rasterOf(cmd.runs, engine.size)), "outline loaded");
      },
    };
  };

  function base64(file) {
    return new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(String(reader.result).split(",", 2)[1] || "");
      reader.onerror = () => reject(reader.error);
      reader.readAsDataURL(file);
    });
  }
})();
