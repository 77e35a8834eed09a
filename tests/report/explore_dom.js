// The little of a browser that the page's script asks for. IDS: elements of the page by id; TEXT: the data.
class Target {
  constructor() {
    this.listeners = [];
  }
  addEventListener(name, call) {
    this.listeners.push([name, call]);
  }
  dispatchEvent(event) {
    for (const [name, call] of this.listeners) if (name === event.type) call(event);
  }
}

class Element extends Target {
  constructor(tag) {
    super();
    Object.assign(this, { tag, attributes: {}, childNodes: [], hidden: false, chosen: 0, style: { setProperty() {} } });
  }
  append(...nodes) {
    this.childNodes.push(...nodes.map((node) => (node instanceof Element ? node : String(node))));
  }
  replaceChildren(...nodes) {
    this.childNodes = [];
    this.chosen = 0;
    this.append(...nodes);
  }
  setAttribute(name, value) {
    this.attributes[name] = String(value);
  }
  cloneNode() {
    const made = new Element(this.tag);
    Object.assign(made.attributes, this.attributes);
    made.append(...this.childNodes.map((node) => (node instanceof Element ? node.cloneNode() : node)));
    return made;
  }
  click() {
    this.dispatchEvent(new Event("click"));
  }
  get children() {
    return this.childNodes.filter((node) => node instanceof Element);
  }
  get options() {
    return this.children;
  }
  get selectedOptions() {
    return [this.options[this.chosen]];
  }
  get textContent() {
    return this.childNodes.map((node) => (node instanceof Element ? node.textContent : node)).join("");
  }
  get value() {
    return this.tag === "option" ? this.attributes.value : this.options[this.chosen].attributes.value;
  }
  set value(wanted) {
    this.chosen = this.options.findIndex((option) => option.value === String(wanted));
  }
}

const elements = Object.fromEntries(IDS.map(({ id, tag }) => [id, new Element(tag)]));
for (const { id, options } of IDS) {
  for (const [value, text] of options) {
    const option = new Element("option");
    option.setAttribute("value", value);
    option.append(text);
    elements[id].append(option);
  }
}
elements.data.append(TEXT);
const location = { hash: "" };
const history = {
  replaceState(state, title, address) {
    location.hash = address;
  },
};
const window = new Target();
const document = {
  getElementById: (id) => elements[id] ?? null,
  createElement: (tag) => new Element(tag),
  createElementNS: (space, tag) => new Element(tag),
};
