// SPDX-License-Identifier: Apache-2.0
// Runs the script of a report's page without a browser, prints every text that it shows, and then again what is in the
// table of tasks once "bad" was put into its filter. The document below knows texts only: markup would be an error.
'use strict';

const fs = require('fs');
const vm = require('vm');

class Node {
  constructor(name, text) {
    Object.assign(this, {name, text, children: [], attributes: {}, listeners: {}});
  }

  setAttribute(key, value) {
    if (typeof value !== 'string' || /^on|^style$|^href$|^src$/.test(key)) throw new Error(`attribute ${key}`);
    if (/NaN|undefined|Infinity/.test(value)) throw new Error(`attribute ${key} is ${value}`);
    this.attributes[key] = value;
  }

  appendChild(child) {
    if (!(child instanceof Node)) throw new Error(`appendChild(${child})`);
    this.children.push(child);
    return child;
  }

  replaceChildren(...children) {
    this.children = [];
    children.forEach((child) => this.appendChild(child));
  }

  addEventListener(event, listener) {
    this.listeners[event] = listener;
  }

  get textContent() {
    return this.text === undefined ? this.children.map((child) => child.textContent).join('\n') : this.text;
  }

  set innerHTML(_) {
    throw new Error('innerHTML');
  }

  find(name) {
    if (this.name === name) return this;
    for (const child of this.children) {
      const found = child.find(name);
      if (found) return found;
    }
    return null;
  }
}

const html = fs.readFileSync(process.argv[2], 'utf8');
const data = html.match(/<script type="application\/json" id="data">([^<]*)<\/script>/)[1];
const script = html.match(/<script>([^]*?)<\/script>/)[1];
const page = new Node('main');
const document = {
  getElementById: (id) => ({page, data: new Node('#text', data)}[id]),
  createElement: (name) => new Node(name),
  createElementNS: (_, name) => new Node(name),
  createTextNode: (text) => new Node('#text', text),
};
vm.runInNewContext(script, {document});
console.log(page.textContent);
const input = page.find('input');
input.value = 'BAD';
input.listeners.input();
const table = page.children[page.children.indexOf(input) + 1];
console.log('FILTERED');
console.log(table.textContent);
