// The live page: what a running zocalo does, as its admin server tells it.
// It keeps what the stream of events says, and draws only what can be seen.

const words = {
  en: {
    skip: 'Skip to the service', reload: 'Reload', level: 'Log level', token: 'Token (printed where zocalo was started)', open: 'Open',
    services: 'Services', filter: 'Filter', log: 'Log', live: 'live', lost: 'connection lost: trying again', theme: 'Theme', auto: 'auto', light: 'light', dark: 'dark',
    other: 'Español', running: 'pid {0}, running for {1}', none: 'No services are running.', open_n: '{0} open', ended_n: '{0} ended', reset_n: '{0} reset', failed_n: '{0} failed',
    dropped_n: '{0} datagrams dropped', refused_n: '{0} messages rejected', engine: 'engine {0}', from: 'from peers', to: 'to peers',
    pairs: 'Connections ({0})', pairs_some: 'Connections ({0} of {1})', n: '#', peer: 'Peer', target: 'Connected to', age: 'Age', bin: 'From', bout: 'To', rin: 'Rate from', rout: 'Rate to',
    upstreams: 'Upstreams', address: 'Address', health: 'Health', why: 'Why', total: 'Total', up: 'up', down: 'down', ejected: 'ejected until {0}', off: 'ejected', backup: 'backup', weight: 'weight {0}', new_open: 'Open', not_reached: 'Failed',
    eject: 'Eject', restore: 'Restore', drain: 'Drain', drain_sure: 'Drain {0}: accept no more, and let open connections finish?',
    pair: 'Connection {0}', close: 'Close', gone: 'It has ended.', connecting: 'connecting', explain: 'What the kernel says', calls: 'The connection as socket calls',
    no_calls: 'Start zocalo with --trace to see the socket calls of each connection here.', none_yet: 'No calls of this connection have been seen yet.',
    guess: 'Zócalo sees only its own calls. What the other program does is inferred, and in italics.', client: 'client', server: 'server', here: 'zocalo', rate_label: 'bytes per second over the last minute: now {0} from peers, {1} to peers',
    leg_from: 'Peer and zocalo', leg_to: 'Zocalo and its target', done: 'Done.', left: '{0} more are not shown', wrong: 'The token was rejected.', of_which: 'state',
  },
  es: {
    skip: 'Ir al servicio', reload: 'Recargar', level: 'Nivel del registro', token: 'Token (se muestra donde se inició zocalo)', open: 'Abrir',
    services: 'Servicios', filter: 'Filtrar', log: 'Registro', live: 'en directo', lost: 'conexión perdida: reintentando', theme: 'Tema', auto: 'automático', light: 'claro', dark: 'oscuro',
    other: 'English', running: 'pid {0}, en marcha desde hace {1}', none: 'No hay servicios en marcha.', open_n: '{0} abiertas', ended_n: '{0} terminadas', reset_n: '{0} reiniciadas', failed_n: '{0} fallidas',
    dropped_n: '{0} datagramas descartados', refused_n: '{0} mensajes rechazados', engine: 'motor {0}', from: 'desde los clientes', to: 'hacia los clientes',
    pairs: 'Conexiones ({0})', pairs_some: 'Conexiones ({0} de {1})', n: 'N.º', peer: 'Cliente', target: 'Conectado a', age: 'Edad', bin: 'Desde', bout: 'Hacia', rin: 'Tasa desde', rout: 'Tasa hacia',
    upstreams: 'Destinos', address: 'Dirección', health: 'Estado', why: 'Motivo', total: 'Total', up: 'activo', down: 'caído', ejected: 'excluido hasta las {0}', off: 'excluido', backup: 'reserva', weight: 'peso {0}', new_open: 'Abiertas', not_reached: 'Fallos',
    eject: 'Excluir', restore: 'Readmitir', drain: 'Drenar', drain_sure: '¿Drenar {0}: no aceptar más y dejar terminar las conexiones abiertas?',
    pair: 'Conexión {0}', close: 'Cerrar', gone: 'Ha terminado.', connecting: 'conectando', explain: 'Lo que dice el núcleo', calls: 'La conexión como llamadas de sockets',
    no_calls: 'Inicie zocalo con --trace para ver aquí las llamadas de sockets de cada conexión.', none_yet: 'Aún no se ha visto ninguna llamada de esta conexión.',
    guess: 'Zócalo solo ve sus propias llamadas. Lo que hace el otro programa se deduce y aparece en cursiva.', client: 'cliente', server: 'servidor', here: 'zocalo', rate_label: 'bytes por segundo en el último minuto: ahora {0} desde los clientes, {1} hacia ellos',
    leg_from: 'Cliente y zocalo', leg_to: 'Zocalo y su destino', done: 'Hecho.', left: 'hay {0} más que no se muestran', wrong: 'El token no es válido.', of_which: 'estado',
  },
};
const $ = (id) => document.getElementById(id);
const kept = (key, value) => { // what a browser may refuse to keep
  try { return value === undefined ? sessionStorage.getItem(key) : sessionStorage.setItem(key, value); } catch { return null; }
};
let lang = kept('lang') || (navigator.language.startsWith('es') ? 'es' : 'en');
const t = (key, ...values) => words[lang][key].replace(/\{(\d)\}/g, (_, i) => values[i]);
const count = (n) => n.toLocaleString(lang);
const scaled = (v, units, step) => {
  let i = 0;
  while (v >= step && i < units.length - 1) { v /= step; i++; }
  return `${v.toLocaleString(lang, { maximumFractionDigits: i && v < 100 ? 1 : 0 })} ${units[i]}`;
};
const size = (n) => scaled(n, ['B', 'KiB', 'MiB', 'GiB', 'TiB'], 1024);
const rate = (n) => scaled(8 * n, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s'], 1000);
const age = (ms) => {
  const s = Math.max(0, ms / 1000);
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
};
// make builds an element; text is set as text, so nothing that a peer chose is markup.
const make = (tag, attrs = {}, ...children) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) {
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (v !== false && v !== undefined) e.setAttribute(k, v === true ? '' : v);
  }
  e.append(...children.filter((c) => c !== '' && c != null));
  return e;
};

// ---- what is known

let about = null, clock = 0; // clock: the server's time less ours, in milliseconds
let order = [], chosen = null, shown = null;
const services = new Map(); // name -> {..., in: [], out: []} with a minute of rates
let pairs = new Map(), leftOut = 0;
let calls = [], lines = [];
let sortBy = 'n', descending = true, filter = '';
let selected = null, explained = [];
const samples = 120, period = 500;

// ---- talking to the server

let token = new URLSearchParams(location.hash.slice(1)).get('token');
if (token) {
  kept('token', token);
  history.replaceState(null, '', location.pathname); // out of the history and the title
} else token = kept('token');
const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

async function request(path, body) {
  const r = await fetch(path, body === undefined ? { headers: headers() } : { method: 'POST', headers: headers(), body: JSON.stringify(body) });
  const answer = await r.json();
  if (!r.ok) throw new Error(answer.error);
  return answer;
}

async function change(path, body) {
  try { await request(path, body); say(t('done')); } catch (e) { say(e.message); }
}

let sayTimer;
function say(text) {
  $('said').textContent = text;
  clearTimeout(sayTimer);
  sayTimer = setTimeout(() => { $('said').textContent = ''; }, 8000);
}

let stream;
async function follow() { // until the page goes, with a pause after each failure
  for (let pause = 250; ; pause = Math.min(2 * pause, 5000)) {
    stream = new AbortController();
    const mine = stream;
    try {
      const r = await fetch(`/v1/events${chosen ? `?service=${encodeURIComponent(chosen)}` : ''}`, { headers: headers(), signal: mine.signal });
      if (r.status === 401) { ask(); return; }
      if (!r.ok) throw new Error((await r.json()).error);
      $('ask').hidden = true;
      pause = 250;
      link(true);
      const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) event(text.slice(0, end));
      }
    } catch (e) {
      if (mine.signal.aborted) { pause = 125; continue; }
      if (e.message && !(e instanceof TypeError)) say(e.message);
    }
    if (mine.signal.aborted) { pause = 125; continue; }
    link(false);
    await new Promise((wake) => setTimeout(wake, pause));
  }
}

function event(text) {
  const name = /^event: (.*)$/m.exec(text), data = /^data: (.*)$/m.exec(text);
  if (name && data) heard[name[1]]?.(JSON.parse(data[1]));
  later();
}

const heard = {
  hello(status) {
    if (about?.pid !== status.pid) services.clear(); // else the charts go on
    about = status;
    calls = []; lines = []; order = []; pairs = new Map();
    $('log').replaceChildren();
    $('reload').hidden = !status.can.includes('reload');
    $('level').hidden = !status.can.includes('log-level');
    $('level').value = status.log_level || 'INFO';
  },
  services(change) {
    clock = change.time - Date.now();
    for (const s of change.changed) {
      const was = services.get(s.name);
      services.set(s.name, Object.assign(s, { in: was?.in || [], out: was?.out || [], last: was?.last || s.bytes }));
    }
    if (change.order) {
      order = change.order;
      for (const name of services.keys()) if (!order.includes(name)) services.delete(name);
      if (!services.has(chosen)) choose(order[0] ?? null);
    }
  },
  pairs(change) {
    if (change.service !== chosen) return;
    if (change.first) pairs = new Map();
    leftOut = change.left_out || 0;
    const now = performance.now();
    for (const [n, peer, target, began, a, b, ma, mb] of change.new || []) {
      pairs.set(n, { n, peer, target, began, bin: a, bout: b, ma, mb, rin: 0, rout: 0, at: now });
    }
    for (const [n, target, a, b, ma, mb] of change.changed || []) {
      const p = pairs.get(n);
      if (!p) continue;
      const span = Math.min(Math.max((now - p.at) / 1000, 0.25), 1);
      Object.assign(p, { target, rin: (a - p.bin) / span, rout: (b - p.bout) / span, bin: a, bout: b, ma, mb, at: now });
    }
    for (const n of change.gone || []) {
      if (n === selected?.n) selected.over = true;
      pairs.delete(n);
    }
  },
  log(more) { lines = lines.concat(more).slice(-200); drawLog(more); },
  calls(more) { calls = calls.concat(more).slice(-2000); if (selected) drawPair(); },
};

function ask() {
  link(false);
  if (token) say(t('wrong'));
  $('ask').hidden = false;
  $('token').focus();
}

function choose(name) {
  if (name === chosen) return;
  chosen = name;
  pairs = new Map(); selected = null;
  $('pair').hidden = true;
  $('scroll').scrollTop = 0;
  stream?.abort();
  later();
}

// ---- drawing

let drawing = false;
function later() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

function link(live) {
  $('link').textContent = t(live ? 'live' : 'lost');
  $('link').className = live ? 'live' : 'lost';
}

function draw() {
  if (about) $('about').textContent = `${about.version} · ${t('running', about.pid, age(Date.now() + clock - Date.parse(about.began)))}`;
  drawServices();
  drawService();
  drawPairs();
}

const points = (rates, top) => rates.map((v, i) => `${i + samples - rates.length},${(32 - (30 * v) / top).toFixed(1)}`).join(' ');

function drawServices() {
  const list = $('services');
  if (!order.length) { list.replaceChildren(make('li', { class: 'dim' }, about ? t('none') : '')); return; }
  const had = new Map([...list.children].map((li) => [li.dataset.name, li]));
  const now = order.map((name) => had.get(name) || serviceCard(name));
  if (now.length !== list.children.length || now.some((li, i) => li !== list.children[i])) list.replaceChildren(...now);
  for (const li of now) {
    const s = services.get(li.dataset.name);
    if (!s) continue;
    const [title, sums, chart] = li.firstChild.children;
    title.lastChild.textContent = s.state ? ` · ${s.state}` : '';
    const i = s.in.at(-1) || 0, o = s.out.at(-1) || 0;
    sums.textContent = `${t('open_n', count(s.open))} · ↓ ${rate(i)} · ↑ ${rate(o)}`;
    li.firstChild.setAttribute('aria-current', String(s.name === chosen));
    const top = Math.max(1, ...s.in, ...s.out);
    chart.children[0].setAttribute('points', points(s.in, top));
    chart.children[1].setAttribute('points', points(s.out, top));
    chart.setAttribute('aria-label', t('rate_label', rate(i), rate(o)));
  }
}

function serviceCard(name) {
  const svg = (tag, attrs) => {
    const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const k in attrs) e.setAttribute(k, attrs[k]);
    return e;
  };
  const chart = svg('svg', { class: 'rate', viewBox: `0 0 ${samples} 34`, preserveAspectRatio: 'none', role: 'img' });
  chart.append(svg('polyline', { class: 'in' }), svg('polyline', { class: 'out' }));
  const button = make('button', { onclick: () => choose(name) },
    make('span', {}, make('b', {}, name), make('span', { class: 'state' })), make('span', { class: 'dim' }), chart);
  return make('li', { 'data-name': name }, button);
}

// redraw replaces what is in a place only where it differs, so that focus and selections stay.
const drawn = new Map();
function redraw(id, value, build) {
  const text = JSON.stringify([lang, value]);
  if (drawn.get(id) === text) return;
  drawn.set(id, text);
  $(id).replaceChildren(...build());
}

function drawService() {
  const s = services.get(chosen);
  $('service').textContent = s ? s.name : '';
  $('facts').textContent = s ? [s.from.join(', ') + (s.to ? ` → ${s.to.join(', ')}` : ''), s.engine && t('engine', s.engine + (s.slower ? ` (${s.slower})` : '')), t('open_n', count(s.open)), t('ended_n', count(s.ended)),
    s.reset && t('reset_n', count(s.reset)), s.failed && t('failed_n', count(s.failed)), s.dropped && t('dropped_n', count(s.dropped)), s.refused && t('refused_n', count(s.refused)),
    `${size(s.bytes[0])} ${t('from')}`, `${size(s.bytes[1])} ${t('to')}`].filter(Boolean).join(' · ') : '';
  const can = about?.can || [];
  redraw('actions', [chosen, can.includes('drain')], () => (s && can.includes('drain') ? [
    make('button', { onclick: () => confirm(t('drain_sure', s.name)) && change('/v1/drain', { service: s.name }) }, t('drain')),
  ] : []));
  redraw('upstreams', s?.upstreams, () => (s?.upstreams?.length ? [make('h3', {}, t('upstreams')), make('table', {},
    make('thead', {}, make('tr', {}, ...['address', 'health', 'why', 'new_open', 'total', 'not_reached'].map((k, i) => make('th', { scope: 'col', class: i > 2 ? 'n' : false }, t(k))), make('th'))),
    make('tbody', {}, ...s.upstreams.map((u) => {
      const ejected = u.off || (u.ejected && Date.parse(u.ejected) > Date.now() + clock);
      const act = can.includes(ejected ? 'restore' : 'eject') ? (ejected ? 'restore' : 'eject') : '';
      return make('tr', {}, make('td', {}, u.address, u.backup ? ` (${t('backup')})` : '', u.weight > 1 ? ` (${t('weight', u.weight)})` : ''),
        make('td', {}, make('span', { class: `dot${u.up && !ejected ? '' : ' down'}` }, u.off ? t('off') : ejected ? t('ejected', new Date(u.ejected).toLocaleTimeString(lang)) : t(u.up ? 'up' : 'down'))),
        make('td', {}, u.why || ''), ...[u.open, u.total, u.failed].map((v) => make('td', { class: 'n' }, count(v))),
        make('td', { class: 'n' }, act ? make('button', { onclick: () => change(`/v1/${act}`, { upstream: `${s.name}/${u.address}` }) }, t(act)) : ''));
    })))] : []));
}

// The pairs: a grid of which only the rows in view exist.

const columns = ['n', 'peer', 'target', 'age', 'bin', 'bout', 'rin', 'rout'], narrow = new Set(['n', 'peer', 'target', 'rout']);
const height = 26;
let view = [], active = 0;

function value(p, column) {
  switch (column) {
    case 'age': return -p.began;
    case 'rin': case 'rout': return performance.now() - p.at > 3 * period ? 0 : p[column];
    default: return p[column];
  }
}

function drawHead() {
  $('head').replaceChildren(...columns.map((c) => make('div', { role: 'columnheader', class: `cell${isNumber(c) ? ' n' : ''}${narrow.has(c) ? '' : ' wide'}`, 'aria-sort': c === sortBy ? (descending ? 'descending' : 'ascending') : false },
    make('button', { onclick: () => { descending = c === sortBy ? !descending : isNumber(c); sortBy = c; drawHead(); later(); } }, t(c) + (c === sortBy ? (descending ? ' ▾' : ' ▴') : '')))));
}

const isNumber = (c) => c !== 'peer' && c !== 'target';

function drawPairs() {
  const sought = filter.toLowerCase();
  view = [...pairs.values()];
  if (sought) view = view.filter((p) => `${p.n} ${p.peer} ${p.target}`.toLowerCase().includes(sought));
  const sign = descending ? -1 : 1;
  if (isNumber(sortBy)) {
    for (const p of view) p.key = value(p, sortBy);
    view.sort((a, b) => sign * (a.key - b.key) || b.n - a.n);
  } else view.sort((a, b) => sign * (a[sortBy] < b[sortBy] ? -1 : a[sortBy] > b[sortBy] ? 1 : 0) || b.n - a.n);
  const all = pairs.size + leftOut;
  $('pairs-title').textContent = view.length === all ? t('pairs', count(all)) : t('pairs_some', count(view.length), count(all));
  $('pairs').setAttribute('aria-rowcount', view.length + 1);
  $('space').style.height = `${view.length * height}px`;
  $('scroll').style.height = `${Math.min(Math.max(view.length, 3), 13) * height}px`;
  drawRows();
}

function drawRows() {
  const box = $('scroll'), first = Math.max(0, Math.floor(box.scrollTop / height) - 4);
  const last = Math.min(view.length, first + Math.ceil(box.clientHeight / height) + 8);
  const rows = $('rows');
  rows.style.top = `${first * height}px`;
  while (rows.children.length > last - first) rows.lastChild.remove();
  while (rows.children.length < last - first) {
    rows.append(make('div', { role: 'row' }, ...columns.map((c) => make('div', { role: 'gridcell', class: `cell${isNumber(c) ? ' n' : ''}${narrow.has(c) ? '' : ' wide'}` }, ''))));
  }
  active = Math.min(active, Math.max(view.length - 1, 0));
  for (let i = first; i < last; i++) {
    const row = rows.children[i - first], p = view[i];
    row.id = `pair-${i}`;
    row.setAttribute('aria-rowindex', i + 2);
    row.setAttribute('aria-selected', String(p.n === selected?.n));
    const cells = [p.n, p.peer, p.target || t('connecting'), age(Date.now() + clock - p.began), size(p.bin), size(p.bout), rate(value(p, 'rin')), rate(value(p, 'rout'))];
    cells.forEach((text, c) => { if (row.children[c].textContent !== String(text)) row.children[c].textContent = text; });
  }
}

function show(p) {
  selected = p; explained = [];
  $('pair').hidden = false;
  drawPair();
  drawRows();
  explain();
}

let explaining = false;
async function explain() {
  if (!selected || selected.over || explaining || document.hidden) return;
  explaining = true;
  const p = selected;
  try {
    const a = await request(`/v1/services/${encodeURIComponent(chosen)}/pairs/${p.n}`);
    if (p === selected) { explained = a.explained || []; drawPair(); }
  } catch { if (p === selected) drawPair(); }
  explaining = false;
}

function drawPair() {
  const p = selected;
  if (!p) return;
  const focused = $('pair').contains(document.activeElement);
  const ends = [...$('pair').querySelectorAll('.picture')].map((e) => (e.scrollTop + e.clientHeight > e.scrollHeight - 8 ? Infinity : e.scrollTop));
  $('pair').replaceChildren(
    make('div', { class: 'bar' }, make('h3', { id: 'pair-title' }, t('pair', p.n)), make('button', { id: 'close', onclick: hide }, t('close'))),
    make('p', {}, `${p.peer} → ${p.target || t('connecting')} · ↓ ${size(p.bin)} · ↑ ${size(p.bout)}${p.over ? ` · ${t('gone')}` : ''}`),
    ...(explained.length ? [make('h4', { class: 'dim' }, t('explain')), make('ul', {}, ...explained.map((s) => make('li', {}, s)))] : []),
    make('h4', { class: 'dim' }, t('calls')), ...picture(p));
  $('pair').querySelectorAll('.picture').forEach((e, i) => { e.scrollTop = Math.min(ends[i] ?? Infinity, e.scrollHeight); });
  if (focused) $('close').focus({ preventScroll: true });
}

function hide() { selected = null; $('pair').hidden = true; drawRows(); $('scroll').focus(); }

// picture is the lecture's: client and server, and the calls of both in the order of time.
function picture(p) {
  if (!about?.can.includes('calls')) return [make('p', { class: 'dim' }, t('no_calls'))];
  const near = calls.findLast((c) => c.role === 'accepted' && c.peer === p.peer);
  const far = p.target && calls.findLast((c) => c.role === 'connected' && c.peer && p.target.includes(c.peer) && c.time >= 1000 * p.began - 1e6 && (!near || c.socket > near.socket));
  const legs = [];
  if (near) legs.push([t('leg_from'), columnsOf(calls.filter((c) => (c.socket === near.socket || c.socket === near.from) && wanted(c, near)), false, p.peer, listensAt(near.local))]);
  if (far) legs.push([t('leg_to'), columnsOf(calls.filter((c) => c.socket === far.socket && c.name !== 'setsockopt'), true, t('here'), far.peer)]);
  if (!legs.length) return [make('p', { class: 'dim' }, t('none_yet'))];
  return [make('p', { class: 'dim' }, t('guess')), ...legs.flatMap(([title, grid]) => [legs.length > 1 ? make('h4', {}, title) : '', grid])];
}

// listensAt is the address of a listener, of which a trace knows no port that the system chose.
function listensAt(local) {
  const host = local.replace(/:0$/, ':');
  return host === local ? local : services.get(chosen)?.from.find((f) => f.includes(host))?.replace(/^[^:]*:/, '') || local;
}

// wanted leaves out options, and what the listener accepted besides.
const wanted = (c, near) => c.name !== 'setsockopt' && !(c.role === 'listener' && c.name === 'accept') && (c.socket !== near.from || c.time <= near.time || c.name === 'close') && !(c.name === 'accept' && c.socket !== near.socket);

// What one side does when the other makes a call, and which way the arrow goes: 1 is to the server.
function echoOf(c, isClient) {
  const n = c.result;
  if (c.failed) return null;
  switch (c.name) {
    case 'accept': return isClient ? null : ['connect()', 1, ['socket()']];
    case 'connect': return ['accept()', 1, ['socket()', 'bind()', 'listen()']];
    case 'read': case 'recvmsg': case 'recv': return [n ? `write(${n})` : 'shutdown(SHUT_WR)', isClient ? -1 : 1];
    case 'write': case 'sendmsg': case 'send': return [`read() = ${n}`, isClient ? 1 : -1];
    case 'shutdown': return ['read() = 0', isClient ? 1 : -1];
    default: return null;
  }
}

function columnsOf(found, isClient, client, server) {
  const grid = make('div', { class: 'picture', tabindex: '0', role: 'table', 'aria-label': t('calls') });
  const end = (who, name) => make('div', { class: 'end', role: 'columnheader' }, make('b', {}, t(who)), make('br'), name || '');
  grid.append(end('client', client), make('div', { class: 'arrow' }), end('server', server));
  const row = (mine, other, arrow, c) => {
    const own = make('div', { class: `${isClient ? 'left' : 'right'}${c?.failed ? ' failed' : ''}`, title: c ? `${c.took.toFixed(1)} µs` : false }, mine);
    const guess = make('div', { class: `guess ${isClient ? 'right' : 'left'}` }, other);
    const middle = make('div', { class: 'arrow' }, arrow > 0 ? '→' : arrow < 0 ? '←' : '');
    grid.append(...(isClient ? [own, middle, guess] : [guess, middle, own]));
  };
  for (const c of found.slice(0, 8).concat(found.slice(8).slice(-60))) { // how it began, and the latest
    const e = echoOf(c, isClient);
    for (const before of e?.[2] || []) row('', before, 0);
    row(c.text, e ? e[0] : '', e ? e[1] : 0, c);
  }
  return grid;
}

function drawLog(more) {
  const list = $('log'), atEnd = list.scrollTop + list.clientHeight > list.scrollHeight - 8;
  list.append(...more.map((l) => make('li', { class: l.level }, make('time', { datetime: new Date(l.time).toISOString() }, new Date(l.time).toLocaleTimeString(lang)), l.text)));
  while (list.children.length > 200) list.firstChild.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

// ---- what a person does

function translate() {
  document.documentElement.lang = lang;
  for (const e of document.querySelectorAll('[data-t]')) e.textContent = t(e.dataset.t);
  $('filter').placeholder = t('filter');
  $('language').textContent = t('other');
  $('language').lang = lang === 'en' ? 'es' : 'en';
  themed();
  drawHead();
  $('log').replaceChildren();
  drawLog(lines);
  if ($('link').className) link($('link').className === 'live');
  if (selected) drawPair();
  later();
}

const themes = ['auto', 'light', 'dark'];
function themed(step = 0) {
  const now = themes[(themes.indexOf(kept('theme') || 'auto') + step) % 3];
  if (step) kept('theme', now);
  document.documentElement.dataset.theme = now;
  $('theme').textContent = `${t('theme')}: ${t(now)}`;
}

$('language').onclick = () => { lang = lang === 'en' ? 'es' : 'en'; kept('lang', lang); translate(); };
$('theme').onclick = () => themed(1);
$('reload').onclick = () => change('/v1/reload', {});
$('level').append(...['DEBUG', 'INFO', 'WARN', 'ERROR'].map((l) => make('option', {}, l)));
$('level').onchange = () => change('/v1/log-level', { level: $('level').value });
$('filter').oninput = () => { filter = $('filter').value; $('scroll').scrollTop = 0; later(); };
$('ask').onsubmit = (e) => { e.preventDefault(); token = $('token').value.trim(); kept('token', token); $('token').value = ''; follow(); };
$('scroll').onscroll = () => requestAnimationFrame(drawRows);
$('rows').onclick = (e) => {
  const row = e.target.closest('[role=row]');
  if (row) { active = Number(row.id.slice(5)); show(view[active]); }
};
$('scroll').onkeydown = (e) => {
  const page = Math.floor($('scroll').clientHeight / height);
  const to = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: view.length - 1 }[e.key];
  if (e.key === 'Escape') return hide();
  if (e.key === 'Enter' && view[active]) return show(view[active]);
  if (to === undefined || !view.length) return;
  e.preventDefault();
  active = Math.min(Math.max(to, 0), view.length - 1);
  const top = active * height, box = $('scroll');
  if (top < box.scrollTop) box.scrollTop = top;
  if (top + height > box.scrollTop + box.clientHeight) box.scrollTop = top + height - box.clientHeight;
  selected = view[active]; explained = [];
  $('pair').hidden = false;
  drawRows();
  drawPair();
  box.setAttribute('aria-activedescendant', `pair-${active}`);
};

setInterval(() => { // a sample of each service's rates, also where nothing has changed
  for (const s of services.values()) {
    s.in = s.in.concat((1000 * (s.bytes[0] - s.last[0])) / period).slice(-samples);
    s.out = s.out.concat((1000 * (s.bytes[1] - s.last[1])) / period).slice(-samples);
    s.last = s.bytes;
  }
  if (!document.hidden) later();
}, period);
setInterval(explain, 2000);

translate();
follow();
