// The button for the colours: auto (as the system), light, dark. theme.js applies the choice before the first paint.

const CHOICES = ["auto", "light", "dark"];
const KEY = "voltway-theme";

/** Makes `button` step through the choices and remember the last. */
export function startTheme(button) {
  let choice = CHOICES.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";
  const apply = () => {
    if (choice === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    button.textContent = `Theme: ${choice}`;
  };
  button.addEventListener("click", () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    localStorage.setItem(KEY, choice);
    apply();
  });
  apply();
}
