/**
 * Where tiles go: the geometry of the stage, in CSS pixels. Pure.
 *
 * The grid tries every number of columns and takes the one that shows most of a 16:9 picture. On an
 * upright stage tiles may stand upright too: there a cropped face is better than a small one.
 */

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 * @typedef {{width: number, height: number}} Size
 */

const GAP = 8;
const PICTURE = 16 / 9;
const NARROWEST = { upright: 3 / 5, wide: 4 / 3 };

/** How much what is cropped counts against the size of what is left: 0 not at all, 1 as much. */
const CROP_WEIGHT = 0.2;

/** Up to this width a stage is a phone's: three tiles would be too small, so one's own floats. */
const SMALL = 640;

/**
 * @param {number} count @param {Size} stage
 * @returns {Rect[]} row by row, the last row centred
 */
export function grid(count, stage) {
  if (count === 0) return [];
  const options = Array.from({ length: count }, (_, i) => cell(count, i + 1, stage));
  const best = options.reduce((a, b) => (shown(b) > shown(a) + 1 ? b : a));
  const { columns, width, height } = best;
  const rows = Math.ceil(count / columns);
  const top = (stage.height - rows * height - (rows - 1) * GAP) / 2;
  return Array.from({ length: count }, (_, i) => {
    const row = Math.floor(i / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const left = (stage.width - inRow * width - (inRow - 1) * GAP) / 2;
    return { x: left + (i % columns) * (width + GAP), y: top + row * (height + GAP), width, height };
  });
}

/**
 * The largest tile that fits with so many columns.
 * @param {number} count
 * @param {number} columns
 * @param {Size} stage
 */
function cell(count, columns, stage) {
  const rows = Math.ceil(count / columns);
  const narrowest = stage.width < stage.height ? NARROWEST.upright : NARROWEST.wide;
  const width = (stage.width - (columns - 1) * GAP) / columns;
  const height = (stage.height - (rows - 1) * GAP) / rows;
  return {
    columns,
    width: Math.floor(Math.max(1, Math.min(width, height * PICTURE))),
    height: Math.floor(Math.max(1, Math.min(height, width / narrowest))),
  };
}

/** How large a 16:9 picture that fills the tile is seen: its area less what is cropped. @param {Size} tile */
function shown({ width, height }) {
  const scale = Math.max(width / PICTURE, height);
  const visible = (width * height) / (PICTURE * scale * scale);
  return width * height * visible ** CROP_WEIGHT;
}

/**
 * One large tile, and the others in a strip: beside it on a wide stage, below it on a tall one.
 * @param {number} others how many there are @param {Size} stage
 * @returns {{main: Rect, strip: Rect[]}} the strip holds as many as fit
 */
export function focus(others, stage) {
  if (others === 0) return { main: { x: 0, y: 0, ...stage }, strip: [] };
  return stage.width > stage.height * 1.2 ? focusWide(others, stage) : focusTall(others, stage);
}

/** @param {number} others @param {Size} stage */
function focusWide(others, stage) {
  const width = Math.round(Math.min(256, Math.max(128, stage.width * 0.19)));
  const height = Math.round(width / PICTURE);
  const count = Math.min(others, Math.max(1, Math.floor((stage.height + GAP) / (height + GAP))));
  const x = stage.width - width;
  const top = (stage.height - count * height - (count - 1) * GAP) / 2;
  const strip = Array.from({ length: count }, (_, i) => ({ x, y: top + i * (height + GAP), width, height }));
  return { main: { x: 0, y: 0, width: x - GAP, height: stage.height }, strip };
}

/** @param {number} others @param {Size} stage */
function focusTall(others, stage) {
  const height = Math.round(Math.min(128, Math.max(64, stage.height * 0.16)));
  const width = Math.round(height * 1.25);
  const count = Math.min(others, Math.max(1, Math.floor((stage.width + GAP) / (width + GAP))));
  const y = stage.height - height;
  const left = (stage.width - count * width - (count - 1) * GAP) / 2;
  const strip = Array.from({ length: count }, (_, i) => ({ x: left + i * (width + GAP), y, width, height }));
  return { main: { x: 0, y: 0, width: stage.width, height: y - GAP }, strip };
}

/**
 * Where one's own picture floats: in the lower right corner of what is shown.
 * @param {Rect[]} under
 * @param {Size} stage
 * @returns {Rect}
 */
export function floating(under, stage) {
  const width = Math.round(Math.min(232, Math.max(92, stage.width * 0.2)));
  const height = Math.round(stage.width < SMALL ? width * 1.3 : width / PICTURE);
  const right = Math.max(...under.map((rect) => rect.x + rect.width));
  const bottom = Math.max(...under.map((rect) => rect.y + rect.height));
  return { x: right - width - GAP, y: bottom - height - GAP, width, height };
}

/**
 * Whether one's own tile floats rather than taking a place among the others.
 * @param {number} others
 * @param {Size} stage
 */
export function selfFloats(others, stage) {
  return others === 1 || (others === 2 && stage.width < SMALL);
}
