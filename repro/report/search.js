// Pages in which every word of the query stands; those with the words in their titles first, then those that say them most often.
function search(query, pages) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = pages.map((page) => {
    const title = page.title.toLowerCase(), text = page.text.toLowerCase();
    const missing = words.some((word) => !title.includes(word) && !text.includes(word));
    const inTitle = words.filter((word) => title.includes(word)).length;
    const often = words.reduce((sum, word) => sum + text.split(word).length - 1, 0);
    const at = Math.max(0, text.indexOf(words[0]) - 50);
    return { ...page, missing, inTitle, often, shown: `… ${page.text.slice(at, at + 150)} …` };
  });
  const found = words.length ? rows.filter((row) => !row.missing) : [];
  return found.sort((a, b) => b.inTitle - a.inTitle || b.often - a.often).slice(0, 20);
}

if (typeof document !== "undefined") {
  const box = document.getElementById("search"), list = document.getElementById("found");
  box.addEventListener("input", () => {
    list.replaceChildren(...search(box.value, PAGES).map((row) => {
      const item = document.createElement("li"), link = document.createElement("a"), shown = document.createElement("small");
      link.href = box.dataset.root + row.place;
      link.textContent = row.title;
      shown.textContent = row.shown;
      item.append(link, document.createElement("br"), shown);
      return item;
    }));
  });
}
