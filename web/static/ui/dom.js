/** What the page needs of the DOM. Text always goes in as text: nothing here parses HTML. */

/**
 * The element that must be there: a missing one is a mistake in the template, said at once.
 * @template {Element} [T=HTMLElement]
 * @param {string} selector @param {ParentNode} [root] @returns {T}
 */
export function find(selector, root = document) {
  const element = root.querySelector(selector);
  if (!element) throw new Error(`The page lacks ${selector}`);
  return /** @type {T} */ (element);
}

/**
 * Make an element: properties by name, attributes where the name has a dash or no property exists.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, any>} [properties] @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(element.dataset, value);
    else if (name in element) /** @type {any} */ (element)[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** One icon of the sprite. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", spriteHref(name));
  svg.append(use);
  return svg;
}

/** Show another icon in a button that has one. @param {Element} root @param {string} name */
export function setIcon(root, name) {
  const use = find("use", root);
  if (use.getAttribute("href") !== spriteHref(name)) use.setAttribute("href", spriteHref(name));
}

/** @param {string} name */
function spriteHref(name) {
  return `/static/style/icons.svg#${name}`;
}

/** A copy of a template's one element. @param {string} part @returns {HTMLElement} */
export function fromTemplate(part) {
  const template = /** @type {HTMLTemplateElement} */ (find(`template[data-part="${part}"]`));
  return /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
}

/** Initials of a name, at most two letters. @param {string} name */
export function initials(name) {
  const words = name.trim().split(/\s+/u);
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return ends
    .map((word) => [...(word ?? "")][0] ?? "")
    .join("")
    .toLocaleUpperCase();
}

/** One of eight hues, the same for a name on every screen. @param {string} name */
export function hueOf(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) >>> 0;
  return String(sum % 8);
}

/** A round picture with initials. @param {string} name */
export function avatar(name) {
  return make(
    "span",
    { className: "avatar", ariaHidden: "true", dataset: { hue: hueOf(name) } },
    initials(name),
  );
}
