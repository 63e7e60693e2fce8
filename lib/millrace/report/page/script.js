// SPDX-License-Identifier: Apache-2.0
// Draws the report's page from the JSON report in it. Texts of others are put in as text, never as markup.
'use strict';

const MOST_ROWS = 1000; // of a table, at once
const MOST_NODES = 300; // of the graph; above, instances of one template are one node
const MOST_TEMPLATES = 3000;
const MOST_BARS = 5000; // of the timeline: the longest
const PARTS = ['dependencies', 'queue', 'earlier_tries', 'handover', 'execution'];
const BAD = ['failed', 'timed_out', 'lost'];

function duration(seconds) {
  if (seconds === null || seconds === undefined) return '-';
  if (seconds < 1) return `${Math.round(seconds * 1000)}ms`;
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  const two = (n) => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor(whole / 60) % 60)}m`;
}

function kindOf(task) {
  return task.ignored ? 'ignored' : task.outcome;
}

// What is drawn: tasks, or templates where there are too many tasks. Needs are indices into what is returned.
function nodesOf(tasks) {
  if (tasks.length <= MOST_NODES) {
    return tasks.map((task) => ({label: task.name, note: `${kindOf(task)} ${duration(task.split.execution_s)}`,
      kind: kindOf(task), path: task.on_critical_path, needs: task.needs}));
  }
  const groups = new Map();
  const placeOf = tasks.map((task) => {
    if (!groups.has(task.template)) {
      groups.set(task.template, {place: groups.size, label: task.template, kind: task.outcome, tasks: 0, bad: 0,
        path: false, needs: new Map()});
    }
    const group = groups.get(task.template);
    group.tasks += 1;
    group.path = group.path || task.on_critical_path;
    if (BAD.includes(kindOf(task))) {
      group.bad += 1;
      group.kind = 'failed';
    }
    return group.place;
  });
  const nodes = [...groups.values()];
  tasks.forEach((task, index) => {
    for (const need of task.needs) {
      if (placeOf[need.task] === placeOf[index]) continue;
      nodes[placeOf[index]].needs.set(placeOf[need.task], need.optional);
    }
  });
  return nodes.map((group) => ({label: group.label, kind: group.kind, path: group.path,
    note: `${group.tasks} tasks${group.bad ? `, ${group.bad} failed` : ''}`,
    needs: [...group.needs].map(([task, optional]) => ({task, optional}))}));
}

// Column: the longest path from above. Templates may need each other in a circle: none is placed twice.
function layersOf(nodes) {
  const layer = new Array(nodes.length).fill(0);
  const waiting = nodes.map((node) => node.needs.length);
  const above = nodes.map(() => []);
  nodes.forEach((node, index) => node.needs.forEach((need) => above[need.task].push(index)));
  const ready = waiting.flatMap((count, index) => (count === 0 ? [index] : []));
  for (let i = 0; i < ready.length; i += 1) {
    for (const next of above[ready[i]]) {
      layer[next] = Math.max(layer[next], layer[ready[i]] + 1);
      waiting[next] -= 1;
      if (waiting[next] === 0) ready.push(next);
    }
  }
  return layer;
}

function makePage(document, data) {
  const page = document.getElementById('page');
  const element = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
  const drawn = (name, attributes, ...children) =>
    fill(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);

  function fill(made, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, String(value));
    for (const child of children) {
      made.appendChild(typeof child === 'object' ? child : document.createTextNode(String(child)));
    }
    return made;
  }
  function section(title, ...children) {
    page.appendChild(element('h2', {}, title));
    children.forEach((child) => page.appendChild(child));
  }
  const scroll = (child) => element('div', {class: 'scroll'}, child);
  const number = (text) => element('td', {class: 'number'}, text);
  const text = (value, kind) => element('td', {class: `text ${kind || ''}`}, value);

  function table(heads, rows) {
    const body = element('tbody', {}, ...rows.slice(0, MOST_ROWS).map((cells) => element('tr', {}, ...cells)));
    if (rows.length > MOST_ROWS) {
      body.appendChild(element('tr', {}, element('td', {colspan: heads.length},
        `${rows.length - MOST_ROWS} more rows are not shown; the filter finds them`)));
    }
    const head = element('thead', {}, element('tr', {}, ...heads.map((title) => element('th', {}, title))));
    return element('table', {}, head, body);
  }

  // One bar for where the time went, and its legend as a tooltip.
  function splitBar(split, scale, width) {
    const bar = drawn('svg', {width, height: 14, role: 'img'});
    let x = 0;
    for (const part of PARTS) {
      const length = split[`${part}_s`] * scale;
      const title = `${part.replace('_', ' ')} ${duration(split[`${part}_s`])}`;
      if (length > 0) {
        const box = {x, y: 1, width: length, height: 12, class: `fill-${part}`};
        bar.appendChild(drawn('rect', box, drawn('title', {}, title)));
      }
      x += length;
    }
    return bar;
  }

  function head() {
    const run = data.run;
    const known = Math.abs(run.submitted_unix_ms) < 8e15; // what a Date can be
    const when = known ? new Date(run.submitted_unix_ms).toISOString().replace('T', ' ').slice(0, 19) : '?';
    page.appendChild(element('h1', {}, `${run.name} `, element('span', {class: `state ${run.state}`}, run.state)));
    const counts = ['succeeded', 'cached', 'failed', 'ignored', 'skipped', 'cancelled'].filter((name) => run[name] > 0);
    page.appendChild(element('p', {class: 'dim'},
      `run ${run.run}, submitted ${when} UTC, took ${duration(run.elapsed_s)}; `,
      `${run.tasks} tasks: ${counts.map((name) => `${run[name]} ${name}`).join(', ')}`));
    if (run.root_cause) page.appendChild(element('p', {class: 'failed'}, `root cause: ${run.root_cause}`));
  }

  function why() {
    const path = data.why.critical_path;
    const scale = 300 / Math.max(data.run.elapsed_s, 1e-6);
    const rows = path.map((step) => [text(step.name), number(duration(step.from_s)),
      number(duration(step.to_s - step.from_s)),
      ...PARTS.slice(1).map((part) => number(duration(step.split[`${part}_s`]))),
      element('td', {}, splitBar(step.split, scale, 300))]);
    section('Why it took so long', ...data.why.text.map((line) => element('p', {}, line)));
    if (path.length > 0) {
      const heads = ['critical path', 'from', 'took', 'queue', 'earlier tries', 'handover', 'execution', ''];
      page.appendChild(scroll(table(heads, rows)));
    }
    if (data.why.stragglers.length > 0) {
      section('Stragglers', scroll(table(['task', 'executed', 'median of its template', 'siblings'],
        data.why.stragglers.map((one) => [text(one.name), number(duration(one.execution_s)),
          number(duration(one.median_s)), number(one.siblings)]))));
    }
  }

  function failures() {
    const failed = data.tasks.filter((task) => task.failure);
    if (failed.length === 0) return;
    section(`What failed (${failed.length})`);
    for (const task of failed.slice(0, 50)) {
      const {failure} = task;
      const host = failure.host ? ` (${failure.host})` : '';
      const where = failure.worker ? `, try ${failure.try} on ${failure.worker}${host}` : '';
      page.appendChild(element('p', {class: kindOf(task)}, `${task.name}: ${failure.message}${where}`));
      const others = failure.other_failures_on_host;
      const facts = [failure.how, others ? `${others} other${others === 1 ? '' : 's'} failed on ${failure.host}` : '',
        failure.again ? `again: ${failure.again}` : ''].filter((fact) => fact);
      if (facts.length > 0) page.appendChild(element('p', {class: 'dim'}, facts.join('; ')));
      if (failure.output) page.appendChild(element('pre', {}, failure.output));
    }
    if (failed.length > 50) {
      page.appendChild(element('p', {class: 'dim'}, `${failed.length - 50} more are in the table`));
    }
  }

  function graph() {
    const nodes = nodesOf(data.tasks);
    if (nodes.length > MOST_TEMPLATES) {
      section('Graph', element('p', {class: 'dim'}, `${nodes.length} nodes are too many to draw: zmqctl report --dot`));
      return;
    }
    const layer = layersOf(nodes);
    const filled = [];
    const at = nodes.map((_, index) => {
      filled[layer[index]] = (filled[layer[index]] || 0) + 1;
      return {x: 10 + layer[index] * 230, y: 10 + (filled[layer[index]] - 1) * 52};
    });
    const width = 20 + filled.length * 230;
    const height = 20 + Math.max(1, ...filled.map((count) => count || 0)) * 52;
    const svg = drawn('svg', {width, height, role: 'img', 'aria-label': 'dependency graph'});
    nodes.forEach((node, index) => node.needs.forEach((need) => {
      const [from, to] = [at[need.task], at[index]];
      const [x1, y1, x2, y2] = [from.x + 180, from.y + 19, to.x, to.y + 19];
      const kind = `edge${need.optional ? ' optional' : ''}${node.path && nodes[need.task].path ? ' path' : ''}`;
      svg.appendChild(drawn('path', {class: kind, d: `M${x1} ${y1}C${x1 + 30} ${y1} ${x2 - 30} ${y2} ${x2} ${y2}`}));
    }));
    nodes.forEach((node, index) => {
      const short = node.label.length > 27 ? `${node.label.slice(0, 26)}\u2026` : node.label;
      svg.appendChild(drawn('g', {transform: `translate(${at[index].x} ${at[index].y})`},
        drawn('title', {}, `${node.label}: ${node.note}`),
        drawn('rect', {class: `node ${node.kind}${node.path ? ' path' : ''}`, width: 180, height: 38, rx: 5}),
        drawn('text', {x: 8, y: 16}, short), drawn('text', {x: 8, y: 31}, node.note)));
    });
    section('Graph', scroll(svg));
  }

  function timeline() {
    const bars = data.tasks.flatMap((task) => task.attempts.filter((attempt) => attempt.slot !== null)
      .map((attempt) => ({task, attempt})));
    bars.sort((a, b) => (b.attempt.ended_s - b.attempt.started_s) - (a.attempt.ended_s - a.attempt.started_s));
    const rowOf = new Map(data.lanes.map((lane, row) => [JSON.stringify([lane.worker, lane.slot]), row]));
    const [left, width] = [160, 1000];
    const scale = width / Math.max(data.run.elapsed_s, 1e-6);
    const height = data.lanes.length * 22 + 24;
    const svg = drawn('svg', {width: left + width + 20, height, role: 'img', 'aria-label': 'timeline'});
    data.lanes.forEach((lane, row) => {
      svg.appendChild(drawn('text', {x: 4, y: row * 22 + 15}, `${lane.worker}/${lane.slot}`));
    });
    for (const {task, attempt} of bars.slice(0, MOST_BARS)) {
      const row = rowOf.get(JSON.stringify([attempt.worker, attempt.slot]));
      const took = attempt.ended_s - attempt.started_s;
      const title = `${task.name}, try ${attempt.try}: ${attempt.outcome}, ${duration(took)}`;
      svg.appendChild(drawn('rect', {x: left + attempt.started_s * scale, y: row * 22 + 3, height: 16,
        width: Math.max(1, took * scale),
        class: `fill-${attempt.outcome}${task.on_critical_path ? ' path' : ''}`}, drawn('title', {}, title)));
    }
    for (let tick = 0; tick <= 5; tick += 1) {
      svg.appendChild(drawn('text', {x: left + (tick * width) / 5 - 10, y: height - 6},
        duration((data.run.elapsed_s * tick) / 5)));
    }
    section('Timeline', scroll(svg));
    if (bars.length > MOST_BARS) {
      page.appendChild(element('p', {class: 'dim'}, `the longest ${MOST_BARS} of ${bars.length} tries`));
    }
  }

  function rowOf(task) {
    const kind = kindOf(task);
    return [text(task.name), text(kind.replace('_', ' '), kind), number(task.try || '-'), text(task.worker || '-'),
      ...PARTS.map((part) => number(duration(task.split[`${part}_s`]))), text(task.cache || ''),
      text(task.reason)];
  }

  function tasks() {
    const parts = PARTS.map((part) => part.replace('_', ' '));
    const heads = ['task', 'outcome', 'tries', 'worker', ...parts, 'cache', 'why'];
    const input = element('input', {type: 'search', placeholder: 'filter: name, outcome, worker',
      'aria-label': 'filter tasks'});
    const place = element('div', {class: 'scroll'});
    const show = () => {
      const wanted = (input.value || '').toLowerCase();
      const fits = (task) => `${task.name} ${kindOf(task)} ${task.worker}`.toLowerCase().includes(wanted);
      place.replaceChildren(table(heads, data.tasks.filter(fits).map(rowOf)));
    };
    input.addEventListener('input', show);
    section('Tasks', input, place);
    show();
  }

  function attempts() {
    const triedAgain = (task) => task.attempts.length + task.attempts_left_out > 1;
    const rows = data.tasks.flatMap((task) => (triedAgain(task) ? task.attempts : [])
      .map((attempt) => [text(task.name), number(attempt.try), text(attempt.worker),
        number(duration(attempt.started_s)),
        number(attempt.started_s === null ? '-' : duration(attempt.ended_s - attempt.started_s)),
        text(attempt.outcome, attempt.outcome), text(attempt.message)]));
    if (rows.length > 0) {
      section('Tries of those that were tried again',
        scroll(table(['task', 'try', 'worker', 'started', 'took', 'outcome', 'why'], rows)));
    }
  }

  head();
  why();
  failures();
  if (data.tasks.length > 0) {
    graph();
    if (data.lanes.length > 0) timeline();
    tasks();
    attempts();
  }
  page.appendChild(element('p', {class: 'dim'}, data.generator));
}

makePage(document, JSON.parse(document.getElementById('data').textContent));
