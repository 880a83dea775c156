/* The file of answers: what `siamese.study.kit_votes` reads, and what a kit can go on from. */
(function () {
  "use strict";
  const space = window.SiameseRating;
  const WHAT = "answers of a rating kit";
  const LARGEST = 8 * 2 ** 20;

  /** Its text; the last field is a checksum of every byte before it. */
  space.answersText = function (kit, records) {
    const { study, design_sha256, rater, kit: id } = kit;
    const whole = { what: WHAT, format: 1, study, design_sha256, rater, kit: id, saved_at: Date.now() * 1000, records };
    const text = JSON.stringify(whole).slice(0, -1);
    return `${text},"checksum":"${checksum(text)}"}\n`;
  };

  /** The acts in a file of this kit. @param {File} file @returns {Promise<object[]>} @throws {Error} a sentence */
  space.readAnswers = async function (kit, file) {
    const { kit: words } = kit.words;
    const text = file.size > LARGEST ? "" : (await file.text()).trim();
    const end = text.lastIndexOf(',"checksum":"');
    if (!text.includes(WHAT) || text.slice(end) !== `,"checksum":"${checksum(text.slice(0, end))}"}`)
      throw new Error(space.fill(words.not_answers, { name: file.name }));
    const found = JSON.parse(text);
    if (found.kit !== kit.kit) throw new Error(space.fill(words.other_kit, { name: file.name }));
    return found.records;
  };

  /** Hand a text to the browser as a download. */
  space.download = function (name, text) {
    const link = space.make("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };

  /** CRC-32 of a text's UTF-8, 8 hexadecimal characters. */
  function checksum(text) {
    let sum = -1;
    for (const byte of new TextEncoder().encode(text)) {
      sum ^= byte;
      for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
    }
    return (~sum >>> 0).toString(16).padStart(8, "0");
  }
})();
