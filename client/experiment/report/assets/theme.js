// Colours: as the system has them, or light or dark by choice. The choice is kept where the browser allows it.
(() => {
  const buttons = [...document.querySelectorAll(".theme button")];
  const choose = (theme) => {
    document.documentElement.dataset.theme = theme;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.theme === theme));
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      choose(button.dataset.theme);
      try { localStorage.setItem("ganpress-theme", button.dataset.theme); } catch { /* not from disk */ }
    });
  }
  let kept = null;
  try { kept = localStorage.getItem("ganpress-theme"); } catch { /* not from disk */ }
  if (buttons.some((button) => button.dataset.theme === kept)) choose(kept);

  // The entry of the section that is being read.
  const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -75% 0px" });
  for (const id of links.keys()) observer.observe(document.getElementById(id));
})();
