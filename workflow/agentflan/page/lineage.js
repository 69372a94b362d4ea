// Opens lineages in the dialog: the graph on one side, the record of the chosen node on the other.
// What comes from data enters the page as text, never as markup.

const DATA = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
const LETTERS = 28; // of a box's label
const FEW_FILES = 6; // more are folded away
const dialog = document.getElementById("lineage");
const past = []; // lineages that "back" returns to
let current = null;

function el(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

function draw(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// ---- what a lineage holds -----------------------------------------------------------------------------------------

const keyOf = (place) => `artefact ${place}`;

/** The node of a key: "number N", "artefact N" or "source N" (what no step made, read by artefact N). */
function nodeOf(key, number) {
  const [kind, place] = [key.split(" ")[0], Number(key.split(" ")[1])];
  if (kind === "number") {
    const each = DATA.numbers[place];
    return { key, stage: "number", label: each.text, verdict: each.verdict, present: true, members: [], inputs: [keyOf(each.table)] };
  }
  const artefact = DATA.artefacts[place];
  if (kind === "source") {
    const texts = artefact.sources;
    return { key, stage: "source", label: texts.length > 1 ? `${texts.length} files` : texts[0], verdict: "OK", present: true, members: [place], inputs: [] };
  }
  const inputs = number && place === number.table ? inputsOfNumber(number) : artefact.inputs;
  const sources = artefact.sources.length ? [`source ${place}`] : [];
  return {
    key, stage: artefact.stage, label: shortPath(artefact), verdict: artefact.verdict, present: artefact.present,
    members: [place], inputs: [...inputs.map(keyOf), ...sources],
  };
}

/** What a number's table read for it: its own sources and the plan, which tells which agent stands in its row. */
function inputsOfNumber(number) {
  const own = new Set(number.sources.map((source) => source[1]));
  return DATA.artefacts[number.table].inputs.filter((place) => own.has(place) || DATA.artefacts[place].stage === "plan");
}

/** A path without results/<study>/ and without the stage's own folder. */
function shortPath(artefact) {
  const parts = artefact.path.split("/");
  const inside = parts[0] === "results" ? parts.slice(parts.length > 2 ? 2 : 1) : parts;
  return (inside.length > 1 && inside[0] === artefact.stage ? inside.slice(1) : inside).join("/");
}

function clipped(text) {
  const half = (LETTERS - 1) / 2;
  return text.length <= LETTERS ? text : `${text.slice(0, Math.ceil(half))}…${text.slice(-Math.floor(half))}`;
}

// ---- the graph ----------------------------------------------------------------------------------------------------

function showGraph(root, number) {
  const graph = layOut(root, (key) => nodeOf(key, number));
  const edge = 4; // room for the frame of the focus
  const svg = draw("svg", {
    width: graph.width + 2 * edge, height: graph.height + 2 * edge, role: "group",
    viewBox: `${-edge} ${-edge} ${graph.width + 2 * edge} ${graph.height + 2 * edge}`,
    "aria-label": "Lineage, from the result at the top to its raw sources; arrow keys move between the steps",
  });
  for (const each of graph.edges) svg.append(edgeOf(each));
  for (const box of graph.boxes) svg.append(boxOf(box, box.node.key === root));
  svg.addEventListener("keydown", (event) => moveInGraph(event, graph.boxes));
  const frame = document.getElementById("graph");
  frame.replaceChildren(svg);
  choose(graph.boxes.find((box) => box.node.key === root), false);
  const middle = graph.boxes.find((box) => box.node.key === root).x + BOX.width / 2;
  frame.scrollTo(Math.max(0, middle - frame.clientWidth / 2), 0);
}

function edgeOf({ from, to, points }) {
  const [[x, y], ...rest] = points;
  let path = `M${x.toFixed(1)} ${y}`;
  let [beforeX, beforeY] = [x, y];
  for (const [nextX, nextY] of rest) {
    const bend = (nextY - beforeY) / 2;
    path += `C${beforeX.toFixed(1)} ${beforeY + bend} ${nextX.toFixed(1)} ${nextY - bend} ${nextX.toFixed(1)} ${nextY}`;
    [beforeX, beforeY] = [nextX, nextY];
  }
  return draw("path", { d: path, class: "edge", "data-from": from, "data-to": to });
}

function boxOf(box, isRoot) {
  const { node } = box;
  const classes = ["node", node.present ? "" : "absent", isRoot ? "root" : ""].join(" ").trim();
  const made = draw("g", {
    class: classes, transform: `translate(${box.x.toFixed(1)} ${box.y})`, tabindex: -1, role: "button",
    "data-key": node.key, "data-verdict": node.verdict, "aria-label": `${node.stage}: ${node.label}; ${node.verdict}`,
  });
  if (node.group) made.append(draw("rect", { class: "under", x: 4, y: 4, width: BOX.width, height: BOX.height, rx: 3 }));
  made.append(draw("rect", { class: "box", width: BOX.width, height: BOX.height, rx: 3 }));
  made.append(draw("rect", { class: "mark", width: 4, height: BOX.height, rx: 1.5 }));
  const name = node.stage === "number" ? `${node.label}` : clipped(node.label);
  made.append(draw("text", { class: "stage", x: 13, y: 15 }, `${node.stage}${node.stage === "source" ? "" : ` · ${node.verdict}`}`));
  made.append(draw("text", { class: "name", x: 13, y: 31 }, name));
  made.append(draw("title", {}, node.group ? node.members.map((place) => DATA.artefacts[place].path).join("\n") : node.label));
  made.addEventListener("click", () => choose(box, true));
  made.addEventListener("focus", () => choose(box, false));
  return made;
}

function moveInGraph(event, boxes) {
  const steps = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
  const step = steps[event.key];
  const from = boxes.find((box) => box.node.key === event.target.dataset.key);
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    document.getElementById("record").focus();
  }
  if (!step || !from) return;
  event.preventDefault();
  const beyond = boxes.filter((box) => (step[0] ? box.layer === from.layer && (box.x - from.x) * step[0] > 0 : (box.layer - from.layer) * step[1] > 0));
  const far = (box) => Math.abs(box.layer - from.layer) * 1e6 + Math.abs(box.x - from.x);
  const next = beyond.sort((one, other) => far(one) - far(other))[0];
  if (next) choose(next, true);
}

/** Marks a box, its edges, and shows its record. */
function choose(box, focus) {
  const { node } = box;
  for (const each of document.querySelectorAll("#graph .node")) {
    const chosen = each.dataset.key === node.key;
    each.setAttribute("aria-current", String(chosen));
    each.setAttribute("tabindex", chosen ? 0 : -1);
    if (chosen && focus) each.focus();
  }
  for (const each of document.querySelectorAll("#graph .edge")) {
    each.classList.toggle("lit", each.dataset.from === node.key || each.dataset.to === node.key);
  }
  const record = document.getElementById("record");
  record.replaceChildren(...(node.group ? aboutGroup(node) : about(node)));
  record.scrollTop = 0;
}

// ---- the record ---------------------------------------------------------------------------------------------------

function about(node) {
  if (node.stage === "number") return aboutNumber(DATA.numbers[Number(node.key.split(" ")[1])]);
  const artefact = DATA.artefacts[node.members[0]];
  return node.stage === "source" ? aboutSource(artefact) : aboutArtefact(node.members[0]);
}

function aboutNumber(number) {
  const facts = [["Ours", number.text], ["Interval", number.interval && `${number.interval} (95 %, bootstrap)`], ["Published", number.published], ["Note", number.note]];
  const sources = number.sources.map(([path]) => el("div", {}, el("code", {}, path), evidenceOf(path)));
  const none = el("p", {}, "No file behind this place: it stands in the plan, or it was not run.");
  return [
    el("h3", { class: "said" }, `${number.title}: ${number.name}`), el("p", { class: "findings" }, badge(number.verdict)),
    factList(facts), el("p", {}, el("strong", {}, "Computed from")), ...(sources.length ? sources : [none]),
  ];
}

/** What the table's sidecar says of a file: which episodes are behind it. */
function evidenceOf(path) {
  const known = DATA.sources[path];
  if (!known || !known.transcripts.count) return null;
  const { count, first } = known.transcripts;
  return el("p", { class: "hash" }, `${count} episodes: ${first.join(", ")}${count > first.length ? " …" : ""}`);
}

function aboutSource(artefact) {
  return [el("h3", {}, "Source"), el("p", {}, `Read by ${artefact.path}, made by no step of the workflow.`), listOf(artefact.sources.map((text) => el("code", {}, text)))];
}

function aboutGroup(node) {
  const rows = node.members.map((place) => {
    const artefact = DATA.artefacts[place];
    const open = el("button", { type: "button", class: "path" }, node.stage === "source" ? artefact.sources.join(", ") : artefact.path);
    open.addEventListener("click", () => {
      const shown = node.stage === "source" ? aboutSource(artefact) : aboutArtefact(place);
      const back = el("button", { type: "button", class: "from-here" }, `← all ${node.members.length}`);
      back.addEventListener("click", () => document.getElementById("record").replaceChildren(...aboutGroup(node)));
      document.getElementById("record").replaceChildren(back, ...shown);
      back.focus();
    });
    return el("div", {}, open, " ", badge(artefact.verdict));
  });
  return [el("h3", {}, node.label), listOf(rows)];
}

function aboutArtefact(place) {
  const artefact = DATA.artefacts[place];
  const record = DATA.records[artefact.record];
  const fromHere = el("button", { type: "button", class: "from-here" }, "lineage from here");
  fromHere.addEventListener("click", () => openLineage({ artefact: place }, true));
  const findings = artefact.findings.map(([verdict, reason]) => el("div", {}, badge(verdict), ` ${reason}`));
  return [
    el("h3", {}, artefact.path),
    findings.length ? el("div", { class: "findings" }, listOf(findings)) : el("p", { class: "findings" }, badge(artefact.verdict)),
    artefact.present ? null : el("p", {}, "Not kept: it was temporary; its hash is known from the record."),
    place === current.artefact ? null : fromHere, evidenceOf(artefact.path),
    record ? factList(recordFacts(artefact, record)) : el("p", {}, "There is no record of how it was made."),
  ].filter((each) => each !== null);
}

function recordFacts(artefact, record) {
  const machine = DATA.machines[record.machine] || {};
  const code = DATA.code[record.code] || { files: {}, dirty: [] };
  const environment = DATA.environments[record.environment] || { locks: {} };
  const own = record.outputs.find((output) => output[0] === artefact.path);
  return [
    ["Sources", artefact.sources.length && listOf(artefact.sources)],
    ["SHA-256", own && hash(own[1])],
    ["Command", el("pre", {}, record.line)],
    ["Parameters", Object.keys(record.parameters).length ? el("pre", {}, JSON.stringify(record.parameters, null, 1)) : ""],
    ["Seeds", Object.entries(record.seeds || {}).map(([name, value]) => `${name} ${value}`).join(", ")],
    ["Code", [record.commit ? `commit ${record.commit}` : "no known commit", code.dirty.length ? `; ${code.dirty.length} of its files not committed` : ""].join("")],
    ["", fold(`${Object.keys(code.files).length} source files imported`, Object.entries(code.files).map(([path, blob]) => file(path, blob, "")))],
    ["Lock", environment.locks["uv.lock"] && file("uv.lock", environment.locks["uv.lock"], "")],
    ["", fold("lock files exported from it", Object.entries(environment.locks).filter(([name]) => name !== "uv.lock").map(([name, digest]) => file(name, digest, "")))],
    ["Packages", `Python ${environment.python}, ${environment.packages} packages`],
    ["Machine", [machine.host, machine.cpu, machine.cpus && `${machine.cpus} processors`, machine.memory && size(machine.memory), machine.system].filter(Boolean).join(", ")],
    ["GPUs", (machine.gpus || []).map((gpu) => Object.values(gpu).join(", ")).join("; ")],
    ["SLURM", Object.entries(machine.slurm || {}).map(([name, value]) => `${name}=${value}`).join(" ")],
    ["Time", `${clock(record.start)} to ${clock(record.end)}: ${record.seconds} s, ${record.cpu_seconds} s of processors`],
    ["Other attempts", record.earlier.length && listOf(record.earlier.map(([start, end]) => `${clock(start)}: ${end}`))],
    ["Peak memory", size(record.peak_memory)],
    ["Log", record.log && el("code", {}, record.log)],
    ["Inputs", files(record.inputs)],
    ["Outputs", files(record.outputs)],
    ["Record", file(record.name, record.sha256, "")],
  ];
}

function factList(pairs) {
  const list = el("dl", {});
  for (const [name, value] of pairs) {
    if (value) list.append(el("dt", {}, name), el("dd", {}, value));
  }
  return list;
}

const listOf = (items) => el("ul", {}, ...items.map((item) => el("li", {}, item)));
const badge = (verdict) => el("span", { class: "badge", "data-is": verdict }, verdict);
const hash = (digest) => el("code", { class: "hash" }, digest);
const clock = (time) => String(time || "?").replace("T", " ").replace(/\.\d+/, "").replace("+00:00", " UTC");
const size = (bytes) => (bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : bytes >= 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(0)} MiB` : `${bytes} bytes`);

function file(path, digest, extent) {
  return el("div", {}, el("code", {}, path), extent ? ` ${extent}` : "", el("br"), hash(digest || "not there"));
}

function files(entries) {
  const items = entries.map(([path, digest, extent]) => file(path, digest, typeof extent === "number" ? size(extent) : extent || ""));
  return items.length > FEW_FILES ? fold(`${items.length} files and folders`, items) : items.length ? listOf(items) : "none";
}

function fold(title, items) {
  return items.length ? el("details", {}, el("summary", {}, title), listOf(items)) : "";
}

// ---- opening and closing ------------------------------------------------------------------------------------------

/** Opens the lineage of a number ({number: N}) or of an artefact ({artefact: N}). */
function openLineage(target, keep) {
  if (keep && current) past.push(current);
  current = target;
  const number = target.number === undefined ? null : DATA.numbers[target.number];
  const artefact = number ? null : DATA.artefacts[target.artefact];
  document.getElementById("lineage-title").textContent = number ? `${number.text} — ${number.name}` : artefact.path;
  document.getElementById("lineage-about").textContent = number ? aboutLine(number) : `${artefact.stage} · ${artefact.verdict}`;
  document.getElementById("back").hidden = !past.length;
  if (!dialog.open) dialog.showModal();
  showGraph(number ? `number ${target.number}` : keyOf(target.artefact), number);
  document.querySelector('#graph .node[tabindex="0"]').focus();
  history.replaceState(null, "", `#${addressOf(target)}`);
}

function aboutLine(number) {
  const parts = [number.title, number.interval && `interval ${number.interval}`, number.published && `the paper prints ${number.published}`, number.verdict];
  return parts.filter(Boolean).join(" · ");
}

/** A lineage's name in the address, which stays the same while the results' names do. */
function addressOf(target) {
  const number = DATA.numbers[target.number];
  return encodeURIComponent(number ? `number:${number.title}:${number.name}` : `lineage:${DATA.artefacts[target.artefact].path}`);
}

function openFromAddress() {
  const wanted = location.hash.slice(1);
  if (!wanted) return;
  const number = DATA.numbers.findIndex((_, place) => addressOf({ number: place }) === wanted);
  const artefact = DATA.artefacts.findIndex((_, place) => addressOf({ artefact: place }) === wanted);
  if (number >= 0) openLineage({ number }, false);
  else if (artefact >= 0) openLineage({ artefact }, false);
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-number], [data-artefact]");
  if (!opener) return;
  openLineage(opener.dataset.number === undefined ? { artefact: Number(opener.dataset.artefact) } : { number: Number(opener.dataset.number) }, false);
});
document.getElementById("close").addEventListener("click", () => dialog.close());
document.getElementById("back").addEventListener("click", () => openLineage(past.pop(), false));
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => {
  past.length = 0;
  current = null;
  history.replaceState(null, "", location.pathname + location.search);
});
addEventListener("hashchange", openFromAddress);
openFromAddress();
