// Uses the page as a reader would, and tells what stands there after each step: JSON. Runs in a browser and on explore_dom.js.
function drive() {
  const at = (id) => document.getElementById(id);
  const chosen = (id) => at(id).selectedOptions[0].textContent;
  const rows = (id) => [...at(id).children[1].children].map((row) => [...row.children].map((cell) => cell.textContent));
  const choose = (id, text) => {
    const control = at(id);
    control.value = [...control.options].find((option) => option.textContent === text).value;
    control.dispatchEvent(new Event("change"));
  };
  const look = () => ({
    title: at("title").textContent,
    datasets: [...at("dataset").options].map((option) => option.textContent),
    chosen: ["system", "reference", "class"].map(chosen),
    pairs_hidden: at("pairs_section").hidden,
    hash: location.hash,
    ...Object.fromEntries(["systems", "classes", "matrix", "confusions", "videos"].map((id) => [id, rows(id)])),
  });
  const press = (table, row) => at(table).children[1].children[row].children[0].children[0].click();
  const told = { start: look() };
  const [first, better] = [...at("system").options].map((option) => option.textContent);
  choose("system", first);
  choose("reference", better);
  told.plain = look();
  choose("show", "system wrong, reference right");
  told.lost = look();
  choose("class", "plum");
  told.class = look();
  press("systems", 2);
  press("classes", 3);
  choose("show", "system right");
  told.clicked = look();
  choose("show", "all");
  told.part = look();
  choose("class", "all classes");
  choose("reference", first);
  choose("show", "system wrong, reference right");
  told.part_lost = look();
  choose("show", "both wrong");
  told.part_both = look();
  choose("reference", "First split alone");
  choose("system", first);
  choose("show", "system right, reference wrong");
  told.plain_won = look();
  choose("show", "system right");
  told.plain_right = look();
  choose("system", "First split alone");
  choose("reference", better);
  choose("class", "<script>");
  choose("dataset", [...at("dataset").options][1].textContent);
  told.second = look();
  history.replaceState(null, "", "#dataset=demo%2Ftoy&system=a&reference=b&class=teal");
  window.dispatchEvent(new Event("hashchange"));
  told.address = look();
  return JSON.stringify(told);
}
