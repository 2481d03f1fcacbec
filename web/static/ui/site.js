/** What every page has: the switch between light and dark, and signing out. */

import { Api } from "../lib/api.js";
import { setIcon } from "./dom.js";
import { toast } from "./toast.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

/** The theme in force. @returns {"light" | "dark"} */
function theme() {
  const chosen = root.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return dark.matches ? "dark" : "light";
}

function showTheme() {
  for (const button of document.querySelectorAll('[data-action="theme"]')) {
    setIcon(button, theme() === "dark" ? "sun" : "moon");
  }
}

function switchTheme() {
  root.dataset.theme = theme() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem("parley:theme", root.dataset.theme);
  } catch {
    // Storage is blocked: the choice lasts as long as the page.
  }
  showTheme();
}

async function signOut() {
  try {
    await new Api().signOut();
    location.assign("/");
  } catch (error) {
    toast(/** @type {Error} */ (error).message);
  }
}

dark.addEventListener("change", showTheme);
document.addEventListener("click", (event) => {
  const action = /** @type {Element} */ (event.target).closest("[data-action]")?.getAttribute("data-action");
  if (action === "theme") switchTheme();
  if (action === "sign-out") void signOut();
});
showTheme();
