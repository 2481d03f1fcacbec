/** How large a file is, in words. */

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];

/** @param {number} bytes @param {string} [locale] */
export function sizeText(bytes, locale) {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const amount = bytes / 1000 ** power;
  const digits = amount < 10 && power > 0 ? 1 : 0;
  return new Intl.NumberFormat(locale, {
    style: "unit",
    unit: UNITS[power],
    maximumFractionDigits: digits,
  }).format(amount);
}
