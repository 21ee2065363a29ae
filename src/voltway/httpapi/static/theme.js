// Applies the chosen theme before the first paint; a plain script in <head>, because modules run too late for that.
(() => {
  const choice = localStorage.getItem("voltway-theme");
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
})();
