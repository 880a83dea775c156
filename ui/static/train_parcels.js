/* Files on their way: a zip sent in pieces, a zip fetched in pieces, dropping and choosing a file. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});
  const PIECE = 1024 * 1024; // bytes of one call

  /** Send a file. @param {object} desk see train.js @param {(part: number) => void} progress 0 to 1
      @param {{stopped: boolean}} [wish] @returns {Promise<string>} its id on the server */
  space.upload = async function (desk, file, progress, wish = {}) {
    if (!file.size) throw new Error(`${file.name} is empty.`);
    let id = null;
    for (let at = 0; at < file.size; ) {
      if (wish.stopped) throw Object.assign(new Error("Stopped as asked; nothing was brought in."), { stopped: true });
      const data = await base64(file.slice(at, at + PIECE));
      const answer = await desk.ask("upload", { id, at, data, name: file.name, total: file.size });
      id = answer.id;
      at = answer.at;
      progress(at / file.size);
    }
    return id;
  };

  function base64(blob) {
    return new Promise((done, failed) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
      reader.onerror = () => failed(new Error("The file could not be read; choose it again."));
      reader.readAsDataURL(blob);
    });
  }

  /** Fetch a zip that waits on the server, and hand it to the browser. @param {{id: string, file: string}} made */
  space.fetched = async function (desk, made) {
    const parts = [];
    for (let at = 0, done = false; !done; ) {
      const piece = await desk.ask("piece", { id: made.id, at });
      parts.push(space.bytes(piece.data));
      at = piece.at;
      done = piece.done;
    }
    space.give(parts, made.file, "application/zip");
  };

  /** Let a button choose a zip. */
  space.filePicker = function (button, take) {
    const input = space.make("input", { type: "file", accept: ".zip,application/zip", class: "mc-file", tabindex: "-1", "aria-label": button.textContent });
    button.after(input);
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const [file] = input.files;
      if (file) take(file);
      input.value = "";
    });
    return input;
  };

  /** Let files be dropped on an element. */
  space.dropZone = function (element, take) {
    const files = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
    element.addEventListener("dragover", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      element.classList.add("tr-over");
    });
    element.addEventListener("dragleave", (event) => {
      if (!element.contains(event.relatedTarget)) element.classList.remove("tr-over");
    });
    element.addEventListener("drop", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      event.stopPropagation();
      element.classList.remove("tr-over");
      const [file] = event.dataTransfer.files;
      if (file) take(file);
    });
  };
})();
