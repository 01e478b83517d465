// The script of check_golden.html, which says what must lie where.

// LiteRT.js 2.5 exchanges no other types: a file with int8 input or output does not run there.
const ARRAYS = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array };

/** Pixels, a Uint8Array, as the file's input takes them. */
function quantise(pixels, tensor) {
  const value = (pixel) => (tensor.scale ? Math.round(pixel / tensor.scale) + tensor.zero_point : pixel);
  return ARRAYS[tensor.type].from(pixels, value);
}

/** What the numbers of an output stand for. */
function dequantise(values, tensor) {
  return Array.from(values, (v) => (tensor.scale ? (v - tensor.zero_point) * tensor.scale : v));
}

/** What a file says of each image: its outputs by name, lists of numbers. */
async function run(litert, content, file, images) {
  const model = await litert.loadAndCompile(content, { accelerator: "wasm" });
  const said = [];
  for (const image of images) {
    const input = new litert.Tensor(quantise(image, file.input), file.input.shape);
    const outputs = await model.run({ [file.input.name]: input });
    const numbers = {};
    for (const output of file.outputs) {
      numbers[output.name] = dequantise(await outputs[output.name].data(), output);
      outputs[output.name].delete();
    }
    input.delete();
    said.push(numbers);
  }
  model.delete();
  return said;
}

/** The largest difference of an output from what is expected; NaN where a number is not one. */
function difference(said, output) {
  let largest = 0;
  output.expected.forEach((row, image) => {
    const found = said[image][output.name];
    row.forEach((number, index) => {
      // golden.json has as many digits as give the same float32 again.
      largest = Math.max(largest, Math.abs(found[index] - Math.fround(number)));
    });
    if (found.length !== row.length) largest = NaN;
  });
  return largest;
}

function shown(number) {
  return number && number < 1e-3 ? number.toExponential(1) : String(Number(number.toPrecision(3)));
}

async function sha256(content) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function fetched(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path} is not there (${response.status})`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The rows of a file: [output, largest difference, tolerance, verdict]. */
async function check(litert, file, images) {
  const strange = [file.input, ...file.outputs].find((tensor) => !(tensor.type in ARRAYS));
  if (strange) return [["", "", "", `not run: LiteRT.js exchanges no ${strange.type}`]];
  try {
    const content = await fetched(`../${file.file}`);
    // Browsers have crypto.subtle on localhost and over https alone.
    if (crypto.subtle && (await sha256(content)) !== file.sha256) {
      return [["", "", "", "FAIL: another file than the vectors are of (SHA-256)"]];
    }
    const said = await run(litert, content, file, images);
    return file.outputs.map((output) => {
      const largest = difference(said, output);
      const verdict = largest <= output.tolerance ? "PASS" : "FAIL";
      return [output.name, shown(largest), String(output.tolerance), verdict];
    });
  } catch (error) {
    return [["", "", "", `FAIL: ${error.message ?? error}`]];
  }
}

function show(file, rows) {
  rows.forEach((row, index) => {
    const line = document.getElementById("rows").insertRow();
    if (!index) line.className = "first";
    [index ? "" : file.file, ...row].forEach((text, column) => {
      const cell = line.insertCell();
      cell.textContent = text;
      if (column === 2 || column === 3) cell.className = "number";
      if (column === 4) cell.className = /^(PASS|FAIL)/.exec(text)?.[0] ?? "quiet";
    });
  });
}

function conclude(verdict, words) {
  const element = document.getElementById("verdict");
  element.textContent = `${verdict}: ${words}`;
  element.className = verdict;
  document.title = `${verdict} - golden vectors`;
}

try {
  const golden = JSON.parse(new TextDecoder().decode(await fetched("golden.json")));
  const images = await Promise.all(golden.inputs.map(fetched));
  const litert = await import("@litertjs/core").catch(() => {
    throw new Error("LiteRT.js is not in the folder litert beside this page; the page's source says how");
  });
  await litert.loadLiteRt("litert/core/wasm/");
  const verdicts = [];
  for (const file of golden.files) {
    const rows = await check(litert, file, images);
    show(file, rows);
    verdicts.push(...rows.map((row) => row[3]));
  }
  const count = (word) => verdicts.filter((verdict) => verdict.startsWith(word)).length;
  const [passed, failed, notRun] = ["PASS", "FAIL", "not run"].map(count);
  const words =
    `${passed} outputs agree, ${failed} differ or fail, ${notRun} files not run ` +
    `(${images.length} images)`;
  conclude(failed || !passed ? "FAIL" : "PASS", words);
} catch (error) {
  conclude("ERROR", error.message ?? String(error));
}
