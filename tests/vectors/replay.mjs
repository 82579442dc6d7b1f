// Scores the shared vectors in JavaScript and counts the bits that differ: the part that Node and the browser share.

/** Rows of a case that are also asked for one by one. */
const SINGLE_ROWS = 300;

/**
 * @param {object} ort onnxruntime-node or onnxruntime-web
 * @param {object} document what vectors.json.gz holds
 * @param {object} options of the sessions
 * @returns {Promise<{compared: number, different: number, cases: object}>}
 */
export async function replay(ort, document, options) {
  const total = { compared: 0, different: 0, cases: {} };
  for (const entry of document.cases) {
    const X = rowsOf(entry);
    const expected = new Uint32Array(bytesOf(entry.expected).buffer);
    const session = await ort.InferenceSession.create(bytesOf(entry.model), options);
    const found = { compared: 0, different: 0 };
    for (const block of [1, 2, 7, 88, entry.rows]) {
      const rows = block === 1 ? Math.min(SINGLE_ROWS, entry.rows) : entry.rows;
      for (let start = 0; start < rows; start += block) {
        const stop = Math.min(start + block, rows);
        const part = X.slice(start * entry.features, stop * entry.features);
        const features = new ort.Tensor("float32", part, [stop - start, entry.features]);
        const { probabilities } = await session.run({ features }, ["probabilities"]);
        const answers = probabilities.data.slice(); // a copy of its own, to be read as bits
        const bits = new Uint32Array(answers.buffer, answers.byteOffset, answers.length);
        bits.forEach((b, i) => (found.different += b !== expected[start * entry.classes + i] ? 1 : 0));
        found.compared += bits.length;
      }
    }
    await session.release();
    total.compared += found.compared;
    total.different += found.different;
    total.cases[entry.name] = found;
  }
  return total;
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function rowsOf(entry) {
  const values = new Float32Array(bytesOf(entry.values).buffer);
  return Float32Array.from(bytesOf(entry.codes), (code) => values[code]);
}
