"use strict";
// Shows the data of the page; computes no number. Names reach the page as text alone.
const VIEWS = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const CHOICES = ["dataset", "system", "reference", "class", "show"];
const ALL = "all classes", NOT_RUN = "not run";
let before = {}; // the choices in names, as the address has them
const control = Object.fromEntries(CHOICES.map((id) => [id, document.getElementById(id)]));

function element(tag, content = [], attributes = {}) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...(Array.isArray(content) ? content : [String(content)]));
  return made;
}

function option(text, value) {
  return element("option", text, { value });
}

function cell(content, kind = "") {
  return element("td", content, { class: kind });
}

function table(id, heading, rows) {
  const head = element("thead", [element("tr", heading.map((text) => element("th", text, { scope: "col" })))]);
  document.getElementById(id).replaceChildren(head, element("tbody", rows));
}

function say(id, text) {
  document.getElementById(id).replaceChildren(text);
}

function paragraphs(id, texts) {
  document.getElementById(id).replaceChildren(...texts.map((text) => element("p", text)));
}

// a button that does what choosing in a control does
function chooser(id, text, value) {
  const made = element("button", text, { type: "button" });
  made.addEventListener("click", () => {
    control[id].value = value;
    show();
  });
  return made;
}

// value, low and high on an axis: a view box of the data
function mark(box, interval, kind = "") {
  const picture = document.createElementNS(SVG, "svg");
  const line = (name, x1, x2, y1, y2) => {
    const made = document.createElementNS(SVG, "line");
    for (const [key, value] of Object.entries({ class: name, x1, x2, y1, y2 })) made.setAttribute(key, value);
    picture.append(made);
  };
  const attributes = { viewBox: box, preserveAspectRatio: "none", class: kind, role: "img", "aria-label": interval.text };
  for (const [key, value] of Object.entries(attributes)) picture.setAttribute(key, value);
  const [value, low, high] = interval.at;
  line("zero", 0, 0, 0, 10);
  line("", low, high, 5, 5);
  line("value", value, value, 1, 9);
  return picture;
}

function shown() {
  const view = VIEWS[control.dataset.value];
  const index = (id) => Number(control[id].value);
  return { view, system: index("system"), reference: index("reference"), only: index("class"), filter: control.show.value };
}

// the systems and classes of the chosen dataset; those that it shares with the one before stay chosen
function fill(wanted) {
  const view = VIEWS[control.dataset.value];
  const names = view.systems.map((system) => system.name);
  const titles = view.systems.map((system, i) => option(system.accuracy ? system.title : `${system.title} (${NOT_RUN})`, i));
  control.system.replaceChildren(...titles);
  control.reference.replaceChildren(...titles.map((title) => title.cloneNode(true)));
  control.class.replaceChildren(option(ALL, -1), ...view.classes.map((name, i) => option(name, i)));
  const pick = (list, name, otherwise) => (list.includes(name) ? list.indexOf(name) : otherwise);
  control.system.value = pick(names, wanted.system, view.start[0]);
  control.reference.value = pick(names, wanted.reference, view.start[1]);
  control.class.value = pick(view.classes, wanted.class, -1);
}

function names() {
  const { view, system, reference, only, filter } = shown();
  const named = { dataset: `${view.profile}/${view.name}`, system: view.systems[system].name, show: filter };
  return { ...named, reference: view.systems[reference].name, ...(only < 0 ? {} : { class: view.classes[only] }) };
}

function showSystems({ view, system, reference }) {
  const { accuracy: percent, difference: points } = view.axes;
  const heading = ["system", "accuracy, % [95 %]", percent[1], "difference, points [95 %]", points[1], "p", "adjusted p", "verdict"];
  const rows = view.systems.map((each, i) => {
    const found = view.differences[i][reference];
    const difference = found
      ? [found.text, [mark(points[0], found, found.verdict.replace(" ", "-"))], found.p, found.adjusted, found.verdict]
      : [i === reference ? "reference" : NOT_RUN, "", "", "", ""];
    const accuracy = each.accuracy ? [each.accuracy.text, [mark(percent[0], each.accuracy)]] : [NOT_RUN, ""];
    const cells = [[chooser("system", each.title, i)], ...accuracy, ...difference, ...each.per_split];
    return element("tr", cells.map((content) => cell(content)), { class: i === system ? "chosen" : "" });
  });
  table("systems", [...heading, ...view.splits.map((split) => `split ${split}`)], rows);
  paragraphs("notes", view.notes);
}

function showPairs({ view }) {
  document.getElementById("pairs_section").hidden = !view.pairs;
  if (!view.pairs) return;
  table("pairs", view.pairs.heading, view.pairs.rows.map((row) => element("tr", row.map((text) => cell(text)))));
  paragraphs("pairs_notes", view.pairs.notes);
}

function showClasses({ view, system, reference, only }) {
  const both = [view.systems[system], view.systems[reference]];
  say("classes_title", `Classes: ${both[0].title}, and ${both[1].title} as the reference`);
  const rows = view.classes.map((name, i) => {
    const cells = both.flatMap((each) => {
      const found = each.classes && each.classes[i];
      return found ? [found.text, [mark(view.axes.accuracy[0], found)], found.right] : [each.classes ? "–" : NOT_RUN, "", ""];
    });
    const all = [[chooser("class", name, i)], ...cells];
    return element("tr", all.map((content) => cell(content)), { class: i === only ? "chosen" : "" });
  });
  const columns = both.flatMap((each) => [`${each.title}, % [95 %]`, view.axes.accuracy[1], "right"]);
  table("classes", ["class", ...columns], rows);
}

function showMatrix({ view, system, only }) {
  const { title, confusions } = view.systems[system];
  say("matrix_title", `Confusions: ${title}`);
  const cells = view.classes.map((_, i) => view.classes.map((_, j) => cell("", i === only || j === only ? "chosen" : "")));
  for (const [i, j, count, share] of confusions) {
    cells[i][j].append(String(count));
    cells[i][j].style.setProperty("--share", `${share}%`);
    cells[i][j].setAttribute("title", `${view.classes[i]} predicted as ${view.classes[j]}: ${count}, ${share} %`);
  }
  const rows = view.classes.map((name, i) => element("tr", [element("th", name, { scope: "row" }), ...cells[i]]));
  table("matrix", ["", ...view.classes], rows);
}

function showConfusions({ view, system, only }) {
  const { title, confusions } = view.systems[system];
  say("confusions_title", `Errors, most frequent first: ${title}${only < 0 ? "" : `, ${view.classes[only]}`}`);
  const wrong = confusions.filter(([i, j]) => i !== j && (only < 0 || i === only || j === only));
  const rows = wrong.map(([i, j, count, share]) => [view.classes[i], view.classes[j], count, share]);
  table("confusions", ["class", "predicted", "videos", "% of the class"], rows.map((row) => element("tr", row.map((c) => cell(c)))));
}

const FILTERS = {
  all: () => true,
  wrong: (own) => own === false,
  right: (own) => own === true,
  won: (own, other) => own === true && other === false,
  lost: (own, other) => own === false && other === true,
  both: (own, other) => own === false && other === false,
};

function showVideos({ view, system, reference, only, filter }) {
  const both = [view.systems[system], view.systems[reference]];
  say("videos_title", `Test videos${only < 0 ? "" : ` of ${view.classes[only]}`}: ${control.show.selectedOptions[0].textContent}`);
  const rows = [];
  view.videos.forEach(([split, name, label], row) => {
    if (only >= 0 && label !== only) return;
    const taken = both.map((each) => (each.taken ? each.taken[row] : null));
    const right = taken.map((found) => (found === null ? null : found === label));
    if (!FILTERS[filter](...right)) return;
    const told = taken.map((found, k) =>
      right[k] === null ? cell(NOT_RUN) : cell(right[k] ? "✓ right" : `✗ ${view.classes[found]}`, right[k] ? "right" : "wrong"),
    );
    rows.push(element("tr", [cell(split), cell(name), cell(view.classes[label]), ...told]));
  });
  table("videos", ["split", "video", "class", ...both.map((each) => `predicted by ${each.title}`)], rows);
}

function show() {
  const now = shown();
  say("title", `${now.view.title}: ${now.view.name}, profile ${now.view.profile}`);
  for (const part of [showSystems, showPairs, showClasses, showMatrix, showConfusions, showVideos]) part(now);
  before = names();
  history.replaceState(null, "", `#${new URLSearchParams(before)}`);
}

function start() {
  const wanted = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const at = VIEWS.findIndex((view) => `${view.profile}/${view.name}` === wanted.dataset);
  control.dataset.value = Math.max(0, at);
  control.show.value = wanted.show in FILTERS ? wanted.show : "all";
  fill(wanted);
  show();
}

control.dataset.append(...VIEWS.map((view, i) => option(`${view.profile} / ${view.name}: ${view.title}`, i)));
for (const id of CHOICES) {
  control[id].addEventListener("change", () => {
    if (id === "dataset") fill(before);
    show();
  });
}
window.addEventListener("hashchange", start);
start();
