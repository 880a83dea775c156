/* Joins engine, desk, view, tabs and sync into one component, and gives the rest of the page and checks a door to it. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const watchers = [];

  /** `callback({dragging})` after every visible change of the mask; also before the canvas is there. */
  space.onMask = (callback) => watchers.push(callback);

  /**
   * @param {HTMLElement} element an empty element
   * @param {{size: number, view: number[][], examples: Array, server: object|null, token: () => string}} options
   *   without a server the canvas works on its own (used by the bare-page tests)
   */
  space.mount = function (element, options) {
    const { server } = options;
    const engine = new space.Engine(options.size);
    let sync = null;
    let view = null;
    const desk = new space.Desk(engine, {
      edited: () => sync && sync.changed(),
      shown: () => {
        tools.show();
        lesions.show();
        if (view) {
          tools.looked();
          view.draw();
        }
      },
      redraw: () => view.draw(),
      drop: () => view.drop(),
      announce: (text) => tools.announce(text),
    });
    desk.listeners.push((what) => watchers.forEach((watcher) => watcher(what)));
    const say = (kind, text) => tools.message(kind, text);
    const tools = new space.Tools(element, desk, { help: () => keys.help() });
    view = new space.View(tools.canvas, engine, options.view || [], { tool: () => desk.tool, looked: () => tools.looked() });
    tools.view = view;
    const keys = new space.Keys({ desk, view, tools });

    /** A server function by name; its answer, or an Error in words for the page. */
    const ask = server
      ? async (name, payload) => {
          const answer = await space.answered(server[name]({ ...payload, token: options.token() }));
          if (!answer.ok) throw new Error(answer.error);
          return answer;
        }
      : null;

    const panes = space.tabs(element, ["Outlines", "Reshape", "Lesions", "View"], tools.zooms, (name) => {
      lesions.show();
      if (name === "Outlines") outlines.load();
    });
    const files = new space.Files(desk, {
      ask, say, place: tools.frame, flush, saved: () => outlines.load(),
      background: (answer) => under(answer),
    });
    const morphs = new space.Morphs(panes.Reshape, desk);
    const outlines = new space.Outlines(panes.Outlines, desk, {
      ask, files, say, examples: options.examples,
      aim: (target) => {
        morphs.aim(target);
        panes.choose("Reshape");
      },
    });
    const lesions = new space.Lesions(panes.Lesions, desk);
    const look = new space.Look(panes.View, view, {
      choose: () => files.choose(),
      remove: () => ask && remove(),
      keep: (title) => ask && keep(title),
    });

    /** A picture of one's own lies below the drawing from now on; the outline takes its size. */
    async function under(answer) {
      await background(answer);
      const fitted = space.resized(engine.raster, engine.width, engine.height, answer.width, answer.height);
      desk.edit(() => engine.replace(fitted, answer.width, answer.height), "picture opened");
      view.zoomTo(null);
      say("good", `draw on your picture, ${answer.width}×${answer.height} pixels`);
    }

    async function background({ png, width, height }) {
      if (!png) {
        view.background = null;
      } else {
        const image = new Image();
        image.src = "data:image/png;base64," + png;
        await image.decode();
        view.background = await createImageBitmap(image);
      }
      look.picture(Boolean(png));
      view.draw();
    }

    async function remove() {
      try {
        await ask("background_remove", {});
        await background({});
        const { size } = options;
        const fitted = space.resized(engine.raster, engine.width, engine.height, size, size);
        desk.edit(() => engine.replace(fitted, size, size), "picture removed");
        view.zoomTo(null);
      } catch (error) {
        say("bad", error.message);
      }
    }

    async function keep(title) {
      try {
        if ((await flush()) === null) throw new Error("The drawing is not saved yet; try again when it is.");
        say("good", (await ask("case", { title })).word);
      outlines.load();
      } catch (error) {
        say("bad", error.message);
      }
    }

    function open() {
      desk.disabled = false;
      view.locked = false;
      tools.show();
      tools.looked();
      lesions.show();
      view.draw();
      desk.tell(false);
    }

    async function opened() {
      open();
      outlines.load();
      try {
        await background(await ask("background_load", {}));
      } catch (error) {
        say("bad", error.message);
      }
    }

    /** What is on the screen, an open morph included, is on the server: its revision, or null. */
    async function flush() {
      desk.apply();
      return sync ? sync.flush() : 0;
    }

    tools.show();
    if (server) {
      say("busy", "loading your drawing…");
      sync = new space.Sync(engine, server, options.token, { say, show: opened, warn: (sentences) => tools.warn(sentences || []) });
    } else open();

    space.current = () => ({ width: engine.width, height: engine.height, runs: Array.from(space.runsOf(engine.visible)) });
    space.load = (runs, width, height, words) => {
      const raster = space.rasterOf(runs, width, height);
      desk.edit(() => engine.replace(raster, width, height), words);
    };
    space.fieldOfView = (corners) => {
      view.field = corners;
      view.draw();
    };
    window.__mask = {
      area: () => engine.area(),
      hash: () => engine.hash(),
      undoDepth: () => engine.undoDepth,
      redoDepth: () => engine.redoDepth,
      state: () => ({
        tool: desk.active, morph: Boolean(desk.morph), width: engine.width, height: engine.height,
        zoom: view.zoom, scale: view.frameOf().scale, background: Boolean(view.shown && view.shown.fits), size: desk.size,
      }),
      handles: () => desk.tools.contour.places(),
      frame: () => view.frameOf(),
      revision: () => (sync ? sync.revision : 0),
      saved: () => Boolean(sync && sync.saved),
      flush,
    };
    return { engine, desk, tools, view, keys, start: () => sync.start() };
  };

  /** Tabs below the canvas. @param {HTMLElement} beside stands at their right @returns {Object<string, HTMLElement>} a pane for each name, and choose(name) */
  space.tabs = function (element, names, beside, chosen) {
    const { make } = space;
    const bar = make("div", { class: "mc-tabs", role: "tablist", "aria-label": "Outlines, reshaping and view" });
    const panes = {};
    const buttons = names.map((name, i) => {
      const id = "mc-pane-" + name.toLowerCase();
      const tab = make("button", { type: "button", role: "tab", class: "mc-tab", "aria-controls": id, id: id + "-tab" }, name);
      panes[name] = make("div", { class: "mc-pane", role: "tabpanel", id, "aria-labelledby": id + "-tab" });
      tab.addEventListener("click", () => panes.choose(name));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = names[(i + step + names.length) % names.length];
        panes.choose(next);
        buttons[names.indexOf(next)].focus();
      });
      bar.append(tab);
      return tab;
    });
    element.append(make("div", { class: "mc-row" }, bar, beside), ...names.map((name) => panes[name]));
    const show = (name) =>
      names.forEach((own, i) => {
        panes[own].hidden = own !== name;
        buttons[i].setAttribute("aria-selected", String(own === name));
        buttons[i].tabIndex = own === name ? 0 : -1;
      });
    show(names[0]);
    panes.choose = (name) => {
      show(name);
      chosen(name);
    };
    return panes;
  };
})();
