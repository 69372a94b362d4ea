"use strict";
// Lays a lineage out in layers: each artefact below what was made from it, siblings of one stage drawn as one box.
// Nothing here touches the page. Lengths are in pixels.

const BOX = { width: 196, height: 40, across: 18, down: 46, bend: 14 };
const MOST_SIBLINGS = 3; // more of one stage in one layer are drawn as one

/** Nodes by key, from one root down: {key, stage, label, verdict, present, members, inputs: [keys]}. */
function below(root, nodeOf) {
  const found = new Map();
  const wanted = [root];
  while (wanted.length) {
    const key = wanted.pop();
    if (found.has(key)) continue;
    const node = nodeOf(key);
    found.set(key, node);
    wanted.push(...node.inputs);
  }
  return found;
}

/** Key → length of the longest way down to it from the root, so that everything stands right below what reads it. */
function depths(root, nodes) {
  const readersFirst = [];
  const seen = new Set();
  const visit = (key) => {
    if (seen.has(key)) return; // also ends a circle
    seen.add(key);
    nodes.get(key).inputs.forEach(visit);
    readersFirst.unshift(key);
  };
  visit(root);
  const found = new Map(readersFirst.map((key) => [key, 0]));
  for (const key of readersFirst) {
    for (const each of nodes.get(key).inputs) found.set(each, Math.max(found.get(each), found.get(key) + 1));
  }
  return found;
}

/** The nodes with siblings put together: those of one stage and depth, if there are too many to draw each. */
function collapsed(nodes, depth) {
  const families = new Map();
  nodes.forEach((node, key) => {
    const family = `${depth.get(key)} ${node.stage}`;
    families.set(family, [...(families.get(family) || []), key]);
  });
  const groupOf = new Map();
  const drawn = new Map();
  families.forEach((keys, family) => {
    const together = keys.length > MOST_SIBLINGS;
    for (const key of keys) groupOf.set(key, together ? `group ${family}` : key);
    for (const key of together ? [] : keys) drawn.set(key, { ...nodes.get(key), depth: depth.get(key) });
    if (together) drawn.set(`group ${family}`, group(`group ${family}`, keys.map((key) => nodes.get(key)), depth.get(keys[0])));
  });
  drawn.forEach((node) => {
    node.inputs = [...new Set(node.inputs.map((key) => groupOf.get(key)))].filter((key) => key !== node.key);
  });
  return drawn;
}

function group(key, nodes, depth) {
  const members = nodes.flatMap((node) => node.members).sort((one, other) => one - other);
  const verdict = nodes.map((node) => node.verdict).reduce(worse);
  const inputs = nodes.flatMap((node) => node.inputs);
  return { key, stage: nodes[0].stage, label: `${nodes.length} × ${nodes[0].stage}`, verdict, present: true, members, inputs, depth, group: true };
}

const VERDICTS = ["OK", "NOT-RUN", "SUBSTITUTE", "DIRTY", "STALE", "UNANCHORED", "MISSING-RECORD", "TAMPERED"];
function worse(one, other) {
  return VERDICTS.indexOf(one) >= VERDICTS.indexOf(other) ? one : other;
}

/** Layers from the top, edges over several layers cut into steps: {layers: [[slot]], ways: [[slots of an edge]]}. */
function layered(drawn) {
  const deepest = Math.max(...[...drawn.values()].map((node) => node.depth));
  const layers = Array.from({ length: deepest + 1 }, () => []);
  const slots = new Map();
  drawn.forEach((node) => {
    const slot = { node, layer: node.depth, width: BOX.width, near: [] };
    slots.set(node.key, slot);
    layers[slot.layer].push(slot);
  });
  const ways = [];
  drawn.forEach((node) => {
    for (const key of node.inputs) {
      const from = slots.get(node.key);
      const to = slots.get(key);
      const way = [from];
      for (let layer = from.layer + 1; layer < to.layer; layer += 1) {
        const slot = { layer, width: BOX.bend, near: [] };
        layers[layer].push(slot);
        way.push(slot);
      }
      way.push(to);
      for (let step = 1; step < way.length; step += 1) {
        way[step].near.push(way[step - 1]);
        way[step - 1].near.push(way[step]);
      }
      ways.push(way);
    }
  });
  return { layers, ways };
}

/** Orders each layer by where its neighbours stand, back and forth, so that few edges cross. */
function order(layers) {
  layers.forEach((layer) => layer.forEach((slot, place) => { slot.place = place / layer.length; }));
  for (let sweep = 0; sweep < 8; sweep += 1) {
    const way = sweep % 2 ? [...layers].reverse() : layers;
    for (const layer of way) {
      const beyond = (slot) => slot.near.filter((each) => (sweep % 2 ? each.layer > slot.layer : each.layer < slot.layer));
      const wish = new Map(layer.map((slot) => [slot, mean(beyond(slot).map((each) => each.place), slot.place)]));
      layer.sort((one, other) => wish.get(one) - wish.get(other));
      layer.forEach((slot, place) => { slot.place = (place + 0.5) / layer.length; });
    }
  }
}

/** Gives each slot an x: pulled towards its neighbours, never over another one. */
function settle(layers) {
  for (const layer of layers) {
    let x = 0;
    for (const slot of layer) {
      slot.x = x + slot.width / 2;
      x += slot.width + BOX.across;
    }
    for (const slot of layer) slot.x -= (x - BOX.across) / 2;
  }
  for (let sweep = 0; sweep < 12; sweep += 1) {
    for (const layer of sweep % 2 ? [...layers].reverse() : layers) {
      const wishes = layer.map((slot) => mean(slot.near.map((each) => each.x), slot.x));
      layer.forEach((slot, place) => {
        const before = layer[place - 1];
        const least = before ? before.x + (before.width + slot.width) / 2 + BOX.across : -Infinity;
        slot.x = Math.max(wishes[place], least);
      });
      const shift = mean(layer.map((slot, place) => wishes[place] - slot.x), 0);
      for (const slot of layer) slot.x += shift;
    }
  }
}

function mean(values, otherwise) {
  return values.length ? values.reduce((sum, each) => sum + each, 0) / values.length : otherwise;
}

/** Boxes with corners and edges as points: {width, height, boxes: [{node, x, y}], edges: [{from, to, points}]}. */
function layOut(root, nodeOf) {
  const nodes = below(root, nodeOf);
  const { layers, ways } = layered(collapsed(nodes, depths(root, nodes)));
  order(layers);
  settle(layers);
  const slots = layers.flat();
  const left = Math.min(...slots.map((slot) => slot.x - slot.width / 2));
  const right = Math.max(...slots.map((slot) => slot.x + slot.width / 2));
  const y = (slot) => slot.layer * (BOX.height + BOX.down);
  const boxes = slots.filter((slot) => slot.node).map((slot) => ({ node: slot.node, x: slot.x - BOX.width / 2 - left, y: y(slot), layer: slot.layer }));
  const edges = ways.map((way) => ({
    from: way[way.length - 1].node.key,
    to: way[0].node.key,
    points: way.flatMap((slot, step) => [
      ...(step ? [[slot.x - left, y(slot)]] : []),
      ...(step < way.length - 1 ? [[slot.x - left, y(slot) + BOX.height]] : []),
    ]),
  }));
  return { width: right - left, height: layers.length * (BOX.height + BOX.down) - BOX.down, boxes, edges };
}
