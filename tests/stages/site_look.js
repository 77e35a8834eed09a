// What a reader meets on a page of the site: faults by their kind, and where the links around it lead.
() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const told = (elements) => elements.map((element) => (element.getAttribute("src") || element.textContent).trim().slice(0, 80));
  const seen = (element) => {
    const box = element.getBoundingClientRect();
    return element.checkVisibility() && box.width > 0 && box.height > 0;
  };
  const unfolded = (details) => {
    const code = details.querySelector("pre"), folded = !seen(code);
    details.querySelector("summary").click();
    return folded && seen(code);
  };
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT), tex = [];
  while (texts.nextNode()) {
    const parent = texts.currentNode.parentElement;
    if (/\\[a-z]|\$[^$]+\$/i.test(texts.currentNode.data) && !parent.closest("pre, code, script, style")) tex.push(parent);
  }
  const page = document.documentElement;
  return {
    faults: {
      "formulas that are not seen": told(all("math").filter((formula) => !seen(formula))),
      "letters without their style": told(
        all('mi[mathvariant]:not([mathvariant="normal"])').filter((letter) => getComputedStyle(letter).textTransform === "math-auto"),
      ),
      "TeX as text": told([...tex, ...all("code.tex, merror")]),
      "pictures that did not load": told([...document.images].filter((picture) => !picture.naturalWidth || !seen(picture))),
      "code that does not unfold": told(all("details.code").filter((details) => !unfolded(details))),
      "wider than the window": page.scrollWidth > page.clientWidth ? [`${page.scrollWidth} of ${page.clientWidth}`] : [],
    },
    formulas: all("math").length,
    contents: all("nav.contents > ul:not(#found) a").map((link) => link.href),
    steps: all("nav.steps > *").map((link) => link.href || null),
  };
}
