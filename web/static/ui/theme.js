// The chosen theme, set before the first paint: a classic script in the head, because modules run too late.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("parley:theme");
  } catch {
    // Storage is blocked: follow the system.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
