/* Rasters as things to look at: the outline as a path along pixel edges, and small pictures; elements, and counts in words. */
(function () {
  "use strict";
  const space = (window.SiameseMask = window.SiameseMask || {});

  /** The borders between 0 and 1 as a path along pixel edges, in mask pixels. */
  space.edges = function (raster, width, height) {
    const path = new Path2D();
    for (let y = 0; y <= height; y++) {
      let start = -1;
      const above = (y - 1) * width;
      const below = y * width;
      for (let x = 0; x <= width; x++) {
        const inside = x < width;
        const differs = inside && (y > 0 ? raster[above + x] : 0) !== (y < height ? raster[below + x] : 0);
        if (differs) {
          if (start < 0) start = x;
        } else if (start >= 0) {
          path.moveTo(start, y);
          path.lineTo(x, y);
          start = -1;
        }
      }
    }
    for (let x = 0; x <= width; x++) {
      let start = -1;
      for (let y = 0; y <= height; y++) {
        const at = y * width + x;
        const differs = y < height && (x > 0 ? raster[at - 1] : 0) !== (x < width ? raster[at] : 0);
        if (differs) {
          if (start < 0) start = y;
        } else if (start >= 0) {
          path.moveTo(x, start);
          path.lineTo(x, y);
          start = -1;
        }
      }
    }
    return path;
  };

  /** A small picture of a raster, its longer side `side` pixels. */
  space.thumbnail = function (raster, width, height, side) {
    const sheet = document.createElement("canvas");
    sheet.width = width;
    sheet.height = height;
    const ink = sheet.getContext("2d");
    const pixels = ink.createImageData(width, height);
    for (let i = 0; i < raster.length; i++) {
      for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = raster[i] ? space.FILL[c] : 42;
      pixels.data[4 * i + 3] = 255;
    }
    ink.putImageData(pixels, 0, 0);
    const small = document.createElement("canvas");
    const scale = side / Math.max(width, height);
    small.width = Math.max(1, Math.round(width * scale));
    small.height = Math.max(1, Math.round(height * scale));
    small.getContext("2d").drawImage(sheet, 0, 0, small.width, small.height);
    return small;
  };

  /** An element with attributes and children. */
  space.make = function (tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  /** A number and what it counts, e.g. "1 picture", "1,203 pictures". @param {string} [many] else `one` with an s */
  space.counted = function (number, one, many) {
    return `${number.toLocaleString("en")} ${number === 1 ? one : many || one + "s"}`;
  };
})();
