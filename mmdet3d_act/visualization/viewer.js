'use strict';

const START = { azimuth: 0.7, elevation: 0.38, zoom: 1 };
const data = JSON.parse(document.getElementById('data').textContent);
const view = { ...START };
const state = { mode: '', least: 0 };
const panels = [];
const ray = new THREE.Raycaster();
const camera = new THREE.PerspectiveCamera(30, 1, 0.1, 50);
let renderer = null;
let waiting = false;

function make(tag, text, parent, attributes) {
  const element = document.createElement(tag);
  element.textContent = text;
  Object.assign(element, attributes);
  parent.append(element);
  return element;
}

function unpack(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

const scale = unpack(data.scale);

// Makes round points of the squares that three.js draws.
function disc() {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 32;
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff';
  context.arc(16, 16, 15, 0, 7);
  context.fill();
  return new THREE.CanvasTexture(canvas);
}

function makePanel(entry, row, round) {
  const figure = make('figure', '', document.getElementById('sheet'));
  const panel = { entry, row, figure, scene: new THREE.Scene() };
  if (entry.count) {
    panel.canvas = make('canvas', '', figure, { tabIndex: 0 });
    panel.canvas.setAttribute('role', 'img');
    panel.canvas.setAttribute('aria-label', entry.title);
    const geometry = new THREE.BufferGeometry();
    const positions = new Int16Array(unpack(entry.positions).buffer);
    panel.colors = new THREE.BufferAttribute(new Uint8Array(3 * entry.count), 3, true);
    geometry.setAttribute('position', new THREE.BufferAttribute(Float32Array.from(positions, (value) => value / 32767), 3));
    geometry.setAttribute('color', panel.colors);
    const size = Math.min(0.085, Math.max(0.025, 2.7 / Math.sqrt(entry.count)));
    panel.points = new THREE.Points(geometry, new THREE.PointsMaterial({ size, alphaMap: round, alphaTest: 0.5, vertexColors: true }));
    panel.scene.add(panel.points);
    listen(panel);
  }
  panel.caption = make('figcaption', entry.title, figure);
  panel.count = make('span', '', panel.caption);
  panels.push(panel);
}

// The boxes of the panel whose scores are high enough, as lines.
function paintBoxes(panel) {
  const boxes = panel.entry.boxes;
  if (!boxes) return 0;
  if (panel.lines) {
    panel.scene.remove(panel.lines);
    panel.lines.geometry.dispose();
  }
  const shown = boxes.edges.map((_, i) => i).filter((i) => !boxes.scores || boxes.scores[i] >= state.least);
  const geometry = new THREE.BufferGeometry();
  const places = shown.flatMap((i) => boxes.edges[i]);
  const tints = shown.flatMap((i) => Array(24).fill(boxes.colors[i]).flat());
  geometry.setAttribute('position', new THREE.Float32BufferAttribute(places, 3));
  geometry.setAttribute('color', new THREE.BufferAttribute(Uint8Array.from(tints), 3, true));
  panel.lines = new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ vertexColors: true }));
  panel.scene.add(panel.lines);
  return shown.length;
}

function paint(panel) {
  const { entry } = panel;
  if (!entry.count) return;
  if (state.mode === data.similarity) {
    // Grey where nothing is chosen, or known.
    panel.colors.array.fill(140);
    const row = entry.likeness?.[panel.patch];
    if (row) entry.patches.forEach((own, i) => {
      const at = 3 * row[own];
      panel.colors.array.set(scale.subarray(at, at + 3), 3 * i);
    });
  } else {
    panel.colors.array.set(unpack(entry.colors[state.mode] || entry.colors['']));
  }
  panel.colors.needsUpdate = true;
  const boxes = paintBoxes(panel);
  panel.count.textContent = `\n${entry.count} points shown` + (entry.boxes ? `, ${boxes} boxes` : '');
}

function redraw() {
  if (waiting || !renderer) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const flat = Math.cos(view.elevation), away = 3.9 / view.zoom;
    camera.position.set(away * flat * Math.cos(view.azimuth), away * flat * Math.sin(view.azimuth), away * Math.sin(view.elevation));
    camera.up.set(0, 0, 1);
    camera.lookAt(0, 0, 0);
    camera.updateMatrixWorld();
    panels.forEach(draw);
  });
}

// All panels share one renderer: browsers allow a few WebGL contexts only.
function draw(panel) {
  if (!panel.canvas) return;
  const box = panel.canvas.getBoundingClientRect();
  if (box.bottom < 0 || box.top > window.innerHeight) return;
  const size = Math.max(64, Math.round(box.width * Math.min(window.devicePixelRatio || 1, 2)));
  if (panel.canvas.width !== size) panel.canvas.width = panel.canvas.height = size;
  renderer.setSize(size, size, false);
  renderer.render(panel.scene, camera);
  const context = panel.canvas.getContext('2d');
  context.clearRect(0, 0, size, size);
  context.drawImage(renderer.domElement, 0, 0);
}

function repaint() {
  panels.forEach(paint);
  redraw();
}

function turn(azimuth, elevation, zoom = 1) {
  view.azimuth += azimuth;
  view.elevation = Math.min(1.55, Math.max(-1.55, view.elevation + elevation));
  view.zoom = Math.min(12, Math.max(0.3, view.zoom * zoom));
  redraw();
}

function choosePatch(panel, patch) {
  if (!panel.entry.likeness) return;
  panels.filter((one) => one.row === panel.row).forEach((one) => { one.patch = patch; });
  chooseMode(data.similarity);
}

// The nearest point below the mouse, if there is one.
function pick(panel, event) {
  const box = panel.canvas.getBoundingClientRect();
  const place = { x: 2 * (event.clientX - box.left) / box.width - 1, y: 1 - 2 * (event.clientY - box.top) / box.height };
  ray.params.Points.threshold = 0.05;
  ray.setFromCamera(place, camera);
  const hit = ray.intersectObject(panel.points)[0];
  if (hit) choosePatch(panel, panel.entry.patches?.[hit.index]);
}

function listen(panel) {
  const { canvas, entry } = panel;
  let moved = 0;
  canvas.addEventListener('pointerdown', (event) => {
    moved = 0;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!event.buttons) return;
    moved += Math.abs(event.movementX) + Math.abs(event.movementY);
    turn(-0.01 * event.movementX, 0.01 * event.movementY);
  });
  canvas.addEventListener('click', (event) => { if (moved < 5) pick(panel, event); });
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    turn(0, 0, Math.exp(-0.001 * event.deltaY));
  }, { passive: false });
  const reset = () => { Object.assign(view, START); redraw(); };
  canvas.addEventListener('dblclick', reset);
  const keys = {
    ArrowLeft: () => turn(-0.1, 0), ArrowRight: () => turn(0.1, 0), ArrowUp: () => turn(0, 0.1), ArrowDown: () => turn(0, -0.1),
    '+': () => turn(0, 0, 1.1), '-': () => turn(0, 0, 1 / 1.1), 0: reset,
    Enter: () => choosePatch(panel, ((panel.patch ?? -1) + 1) % (entry.likeness?.length || 1)),
  };
  canvas.addEventListener('keydown', (event) => {
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
}

function chooseMode(mode) {
  state.mode = mode;
  const select = document.querySelector('#bar select');
  if (select) select.value = mode;
  repaint();
}

function makeBar() {
  const bar = document.getElementById('bar');
  const entries = data.rows.flat();
  const modes = new Set(entries.flatMap((entry) => Object.keys(entry.colors || {})).filter(Boolean));
  if (entries.some((entry) => entry.likeness)) modes.add(data.similarity);
  if (modes.size) {
    const select = make('select', '', make('label', 'Colours: ', bar));
    for (const mode of modes) make('option', mode, select, { value: mode });
    select.addEventListener('change', () => chooseMode(select.value));
    state.mode = [...modes][0];
    document.getElementById('help').append(' A click, or Enter, chooses a patch: yellow patches have like features, dark blue ones opposite ones.');
  }
  const scored = entries.filter((entry) => entry.boxes?.scores);
  if (scored.length) {
    state.least = scored[0].boxes.least;
    const label = make('label', 'Boxes of score ', bar);
    const slider = make('input', '', label, { type: 'range', min: 0, max: 1, step: 0.01, value: state.least });
    const value = make('output', ` >= ${state.least}`, label);
    slider.addEventListener('input', () => {
      state.least = Number(slider.value);
      value.textContent = ` >= ${slider.value}`;
      repaint();
    });
  }
  const legend = make('span', '', bar);
  for (const [name, color] of Object.entries(data.legend)) {
    make('i', '', legend).style.background = `rgb(${color})`;
    legend.append(name);
  }
}

function makeGallery() {
  if (!data.gallery) return;
  const { items, neighbors } = data.gallery;
  const place = document.getElementById('gallery');
  make('h2', 'Nearest neighbours', place);
  make('p', data.gallery.note, place);
  const answers = make('div', '', place);
  const shelf = make('div', '', place, { className: 'shelf' });
  const tile = (index, text, parent) => {
    const button = make('button', '', parent, { type: 'button' });
    make('img', '', button, { src: items[index].image, alt: '' });
    button.append(`${items[index].name}${text}`);
    button.addEventListener('click', () => show(index));
    return button;
  };
  const all = items.map((_, index) => tile(index, '', shelf));
  const show = (index) => {
    all.forEach((button, i) => button.setAttribute('aria-pressed', i === index));
    answers.textContent = '';
    for (const [title, lists] of Object.entries(neighbors)) {
      make('p', `${items[index].name}: nearest ${title}`, answers);
      const line = make('div', '', answers, { className: 'shelf' });
      for (const [other, similarity] of lists[index]) tile(other, ` ${similarity.toFixed(2)}`, line);
    }
  };
  show(0);
}

function start() {
  document.querySelector('section').hidden = !data.rows.length;
  makeBar();
  makeGallery();
  const sheet = document.getElementById('sheet');
  sheet.style.gridTemplateColumns = `repeat(${data.columns}, minmax(0, 1fr))`;
  try {
    renderer = new THREE.WebGLRenderer({ antialias: true, alpha: true, preserveDrawingBuffer: true });
  } catch (error) {
    make('p', 'The clouds need WebGL, which this browser does not offer.', sheet);
    return;
  }
  const round = disc();
  data.rows.forEach((row, number) => {
    for (let i = 0; i < data.columns; i++) makePanel(row[i] || { title: '', count: 0 }, number, round);
  });
  window.addEventListener('resize', redraw);
  window.addEventListener('scroll', redraw);
  repaint();
}

start();
