// The built-in page: it connects to the gateway that served it and shows what the gateway
// says, as it says it. All data goes into the page as text.
'use strict';

const $ = (id) => document.getElementById(id);

// make is an element with texts and elements below it.
function make(tag, ...children) {
  const e = document.createElement(tag);
  e.append(...children);
  return e;
}

const view = { hello: null, health: null, began: 0, presence: [], pending: [] };

/* The connection. */

const backoff = { first: 800, factor: 1.7, most: 15000, next: 800 };
let link = null;

class Link {
  constructor() {
    const base = location.protocol === 'https:' ? 'wss://' : 'ws://';
    this.calls = new Map();
    this.last = 0; // id of the last request
    this.greeted = false;
    this.refusal = null;
    this.socket = new WebSocket(base + location.host);
    this.socket.addEventListener('message', (m) => this.take(JSON.parse(m.data)));
    this.socket.addEventListener('close', (e) => this.closed(e));
  }

  call(method, params = {}) {
    return new Promise((resolve, reject) => {
      const id = String(++this.last);
      this.calls.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ type: 'req', id, method, params }));
    });
  }

  take(frame) {
    if (frame.type === 'event') {
      this.heard();
      onEvent(this, frame.event, frame.payload);
      return;
    }
    const call = this.calls.get(frame.id);
    if (!call) return;
    this.calls.delete(frame.id);
    if (frame.ok) call.resolve(frame.payload);
    else call.reject(new Error(frame.error.message));
  }

  connect() {
    this.call('connect', {
      minProtocol: 3, maxProtocol: 3, role: 'operator', caps: [],
      scopes: ['operator.admin', 'operator.approvals', 'operator.pairing'],
      client: { id: 'coderclaw-control-ui', mode: 'webchat', version: 'built-in', platform: navigator.platform || 'web', instanceId: instance() },
      userAgent: navigator.userAgent, locale: navigator.language,
    }).then((hello) => {
      this.greeted = true;
      this.quiet = 2 * hello.policy.tickIntervalMs;
      this.heard();
      backoff.next = backoff.first;
      onHello(this, hello);
    }, (err) => { this.refusal = err.message; });
  }

  // heard notes a sign of life. A gateway that gives none for two ticks is gone.
  heard() {
    clearTimeout(this.timer);
    if (this.quiet) this.timer = setTimeout(() => this.socket.close(4000, 'tick timeout'), this.quiet);
  }

  closed(e) {
    clearTimeout(this.timer);
    for (const call of this.calls.values()) call.reject(new Error(e.reason || 'the connection ended'));
    this.calls.clear();
    if (link !== this) return;
    if (!this.greeted && (this.refusal || e.code === 1008)) {
      showState('refused', 'not let in');
      showTrouble('This browser is not signed in', this.refusal || e.reason, true);
    } else if (e.code === 1008) {
      showState('refused', 'signed out');
      showTrouble('The gateway ended the connection', e.reason, true);
    } else {
      showState('connecting', e.code === 1012 ? 'the gateway restarts' : 'no connection, trying again');
    }
    setTimeout(open, backoff.next);
    backoff.next = Math.min(backoff.next * backoff.factor, backoff.most);
  }
}

// instance tells the tabs of one browser apart, and is the same after a reload.
function instance() {
  let id = sessionStorage.getItem('coderclaw.instance');
  if (!id) {
    id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, '0')).join('');
    sessionStorage.setItem('coderclaw.instance', id);
  }
  return id;
}

function open() { link = new Link(); }

/* What the gateway says. */

function onHello(from, hello) {
  view.hello = hello;
  view.presence = hello.snapshot.presence;
  view.health = hello.snapshot.health.ok ? hello.snapshot.health : view.health;
  view.began = Date.now() - hello.snapshot.uptimeMs;
  showTrouble();
  showState('connected', 'connected');
  showFacts();
  showChannels();
  showPresence();
  loadPending(from);
}

function onEvent(from, event, payload) {
  switch (event) {
    case 'connect.challenge':
      from.connect();
      break;
    case 'health':
      view.health = payload;
      showFacts();
      showChannels();
      break;
    case 'presence':
      view.presence = payload.presence;
      showPresence();
      break;
    case 'shutdown':
      showState('connecting', payload.reason);
      break;
    case 'device.pair.requested':
    case 'device.pair.resolved':
      loadPending(from);
      break;
  }
}

function loadPending(from) {
  from.call('device.pair.list').then((list) => {
    view.pending = list.pending;
    showPending();
  }, (err) => say(err.message));
}

function decide(request, method, done, button) {
  for (const b of button.parentNode.querySelectorAll('button')) b.disabled = true;
  link.call(method, { requestId: request.requestId }).then(() => {
    say(`${done} ${nameOf(request)}.`);
  }, (err) => say(err.message)).finally(() => loadPending(link));
}

/* What is shown. */

function showState(state, text) {
  const degraded = state === 'connected' && view.health && view.health.coderclaw && view.health.coderclaw.degraded;
  $('state').dataset.state = degraded ? 'degraded' : state;
  $('state').textContent = degraded ? 'connected, degraded' : text;
}

function showTrouble(what, why, fix) {
  $('trouble').hidden = !what;
  $('trouble-what').textContent = what || '';
  $('trouble-why').textContent = why || '';
  $('trouble-fix').hidden = !fix;
}

function showFacts() {
  if (!view.hello) return;
  const { server, snapshot } = view.hello;
  const me = (view.health && view.health.coderclaw) || {};
  const facts = [
    ['Profile', me.profile],
    ['Version', server.version + (server.commit ? ` (${server.commit})` : '')],
    ['Up for', uptime()],
    ['Health', view.health ? (view.health.ok ? 'ok' : 'not ok') : 'not known yet'],
    ['Degraded', me.degraded],
    ['Process', me.pid],
    ['Isolation', me.isolation && me.isolation.mode],
    ['Host', server.host],
    ['Config', snapshot.configPath],
    ['State directory', snapshot.stateDir],
  ];
  $('facts').replaceChildren(...facts.filter(([, v]) => v).flatMap(([k, v]) => [make('dt', k), make('dd', v instanceof Node ? v : String(v))]));
  showProfile(me.profile);
}

// uptime is the one fact that changes by itself; the others are left alone, so that a
// person can select them.
function uptime() {
  const e = make('span', duration(Date.now() - view.began));
  e.id = 'uptime';
  return e;
}

function showProfile(name) {
  if (!name) return;
  $('profile').textContent = name;
  document.title = `${name} · coderclaw`;
}

function showChannels() {
  const { channelOrder = [], channels = {}, channelLabels = {} } = view.health || {};
  const rows = channelOrder.map((id) => {
    const c = channels[id] || {};
    return make('li', `${channelLabels[id] || id}: ${c.linked ? 'linked' : c.configured ? 'configured' : 'not configured'}`);
  });
  $('channels').replaceChildren(...(rows.length ? rows : [make('li', 'none')]));
}

function showPresence() {
  $('presence').replaceChildren(...view.presence.filter((p) => p.reason !== 'disconnect').map((p) => make('tr',
    make('td', p.host || p.text), make('td', p.mode || ''), make('td', p.ip || 'this machine'), make('td', p.version || ''),
    make('td', new Date(p.ts).toLocaleTimeString()))));
}

// showPending leaves rows that are there alone: one of them may have the focus.
function showPending() {
  const list = $('pairing');
  const ids = new Set(view.pending.map((r) => r.requestId));
  for (const row of [...list.children]) if (!ids.has(row.dataset.id)) row.remove();
  for (const request of view.pending) {
    const there = [...list.children].find((row) => row.dataset.id === request.requestId);
    if (there) for (const b of there.querySelectorAll('button')) b.disabled = false;
    else list.append(pendingRow(request));
  }
  if (!view.pending.length) list.append(make('li', 'none'));
}

function pendingRow(request) {
  const scopes = (request.scopes || []).map((s) => s.replace('operator.', '')).join(', ') || 'nothing';
  const text = make('p', make('strong', nameOf(request)),
    ` at ${request.remoteIp || 'this machine'} wants to be ${request.role || 'operator'} with ${scopes}${request.isRepair ? ', again' : ''}`);
  const row = make('li', text);
  row.dataset.id = request.requestId;
  for (const [label, method, done] of [['Approve', 'device.pair.approve', 'Approved'], ['Reject', 'device.pair.reject', 'Rejected']]) {
    const button = make('button', label);
    button.type = 'button';
    button.setAttribute('aria-label', `${label} ${nameOf(request)}`);
    button.addEventListener('click', () => decide(request, method, done, button));
    row.append(button);
  }
  return row;
}

function nameOf(request) {
  return `${request.displayName || request.clientId || 'device'} ${request.deviceId.slice(0, 12)}`;
}

function say(text) {
  $('pairing-said').textContent = text;
  $('pairing-said').hidden = false;
}

function duration(ms) {
  const s = Math.floor(ms / 1000);
  const parts = [[Math.floor(s / 86400), 'd'], [Math.floor(s / 3600) % 24, 'h'], [Math.floor(s / 60) % 60, 'min'], [s % 60, 's']];
  const from = parts.findIndex(([n]) => n > 0);
  return from < 0 ? '0 s' : parts.slice(from, from + 2).map(([n, unit]) => `${n} ${unit}`).join(' ');
}

setInterval(() => $('uptime')?.replaceWith(uptime()), 1000);
fetch('__coderclaw/ui/page.json').then((res) => res.json()).then((page) => {
  $('command').textContent = page.command;
  showProfile(page.profile);
}).finally(open);
