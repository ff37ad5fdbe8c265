/* The heat map of an answer: recovers it from the picture and its tinted copy, outlines it and finds its peak.

   The outline shows the heat map without relying on color, for readers who cannot tell the tint from the picture. */

const TINT = [0, 229, 255]; // the server's
const GRID = 64; // cells per side, each the mean of several pixels
const CONTOUR_LEVEL = 0.5; // of the maximum
const LINE_WIDTH = 5; // pixels of the canvas, which is shown at about half its size
// The field in which the lungs usually lie, as shares of the square picture.
const LUNGS = { left: 0.12, right: 0.88, top: 0.1, bottom: 0.85 };

/* Returns {values, peak}: Float32Array (GRID * GRID) from 0 to 1, row by row, and the {x, y} of its maximum as shares.
   plain, tinted: loaded images; the tinted one may have an axis below the picture, which is ignored. */
export function readHeatmap(plain, tinted) {
  const { naturalWidth: width, naturalHeight: height } = plain;
  const [before, after] = [plain, tinted].map((image) => pixelsOf(image, width, height));
  const values = new Float32Array(GRID * GRID);
  const counts = new Uint32Array(GRID * GRID);
  for (let i = 0; i < width * height; i += 1) {
    const cell = GRID * Math.floor((Math.floor(i / width) * GRID) / height) + Math.floor(((i % width) * GRID) / width);
    values[cell] += opacity(before, after, 4 * i);
    counts[cell] += 1;
  }
  values.forEach((sum, cell) => (values[cell] = sum / Math.max(counts[cell], 1)));
  const top = Math.max(...values);
  const place = values.indexOf(top);
  const peak = { x: ((place % GRID) + 0.5) / GRID, y: (Math.floor(place / GRID) + 0.5) / GRID };
  return { values: values.map((value) => value / Math.max(top, 1e-6)), peak };
}

function pixelsOf(image, width, height) {
  const drawing = new OffscreenCanvas(width, height).getContext("2d");
  drawing.drawImage(image, 0, 0);
  return drawing.getImageData(0, 0, width, height).data;
}

/* The tint's opacity at a pixel: after = before + opacity * (TINT - before), solved by least squares. */
function opacity(before, after, at) {
  let product = 0;
  let square = 0;
  TINT.forEach((tint, channel) => {
    const distance = tint - before[at + channel];
    product += distance * (after[at + channel] - before[at + channel]);
    square += distance * distance;
  });
  return product / square;
}

/* Draws the line around all places with at least CONTOUR_LEVEL of the maximum: white with a black border. */
export function drawContour(canvas, values) {
  const { width, height } = canvas;
  const drawing = canvas.getContext("2d");
  const point = ([x, y]) => [((x + 0.5) * width) / GRID, ((y + 0.5) * height) / GRID];
  const lines = contourLines(values);
  for (const [color, thickness] of [["#000", 2 * LINE_WIDTH], ["#fff", LINE_WIDTH]]) {
    drawing.strokeStyle = color;
    drawing.lineWidth = thickness;
    drawing.lineCap = "round";
    drawing.beginPath();
    for (const [from, to] of lines) {
      drawing.moveTo(...point(from));
      drawing.lineTo(...point(to));
    }
    drawing.stroke();
  }
}

/* Returns the contour as lines [[x, y], [x, y]] in cells (marching squares; outside the grid the value is 0). */
function contourLines(values) {
  const at = (x, y) => (x < 0 || y < 0 || x >= GRID || y >= GRID ? 0 : values[y * GRID + x]);
  const lines = [];
  for (let y = -1; y < GRID; y += 1) {
    for (let x = -1; x < GRID; x += 1) {
      const corners = [[x, y], [x + 1, y], [x + 1, y + 1], [x, y + 1]];
      const crossings = corners.flatMap((corner, i) => crossing(corner, corners[(i + 1) % 4], at));
      for (let i = 0; i + 1 < crossings.length; i += 2) lines.push([crossings[i], crossings[i + 1]]);
    }
  }
  return lines;
}

function crossing([x1, y1], [x2, y2], at) {
  const [first, second] = [at(x1, y1), at(x2, y2)];
  if (first >= CONTOUR_LEVEL === second >= CONTOUR_LEVEL) return [];
  const share = (CONTOUR_LEVEL - first) / (second - first);
  return [[x1 + share * (x2 - x1), y1 + share * (y2 - y1)]];
}

export const isOutsideLungs = ({ x, y }) => x < LUNGS.left || x > LUNGS.right || y < LUNGS.top || y > LUNGS.bottom;
