'use strict';

// Draws every cloud into its own canvas with a depth buffer kept by hand.
const CAMERA = 5;
const START = { azimuth: 0.7, elevation: 0.38, zoom: 1 };
const view = { ...START };

function unpack(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

function readCloud(entry) {
  const positions = new Int16Array(unpack(entry.positions).buffer);
  return { count: entry.count, positions, colors: unpack(entry.colors) };
}

// The elements of a ball of this radius: offsets, depth and brightness.
function makeBall(radius) {
  const ball = [];
  const reach = Math.ceil(radius);
  for (let y = -reach; y <= reach; y++) {
    for (let x = -reach; x <= reach; x++) {
      const rest = radius * radius - x * x - y * y;
      if (rest < 0) continue;
      const z = Math.sqrt(rest);
      const light = (-0.45 * x - 0.55 * y + 0.7 * z) / radius;
      ball.push([x, y, z, 0.52 + 0.55 * Math.max(light, 0)]);
    }
  }
  return ball;
}

function drawCloud(cloud, pixels, size, camera) {
  const { positions, colors, count } = cloud;
  const depth = new Float32Array(size * size).fill(Infinity);
  pixels.fill(255);
  const share = Math.min(0.022, Math.max(0.005, 0.42 / Math.sqrt(count)));
  const ball = makeBall(Math.max(1.3, share * size * camera.zoom));
  const sinA = Math.sin(camera.azimuth), cosA = Math.cos(camera.azimuth);
  const sinE = Math.sin(camera.elevation), cosE = Math.cos(camera.elevation);
  for (let i = 0; i < count; i++) {
    const x = positions[3 * i] / 32767;
    const y = positions[3 * i + 1] / 32767;
    const z = positions[3 * i + 2] / 32767;
    const along = cosA * x + sinA * y;
    const away = -(cosE * along + sinE * z);
    const scale = 0.47 * size * camera.zoom * CAMERA / (CAMERA + away);
    const column = Math.round(size / 2 + scale * (cosA * y - sinA * x));
    const row = Math.round(size / 2 - scale * (cosE * z - sinE * along));
    const haze = 0.45 * Math.min(1, Math.max(0, (away + 1) / 2));
    for (const [dx, dy, dz, light] of ball) {
      const px = column + dx, py = row + dy;
      if (px < 0 || py < 0 || px >= size || py >= size) continue;
      const at = py * size + px;
      const near = away - dz * 2 / size;
      if (near >= depth[at]) continue;
      depth[at] = near;
      for (let c = 0; c < 3; c++) {
        const tone = colors[3 * i + c] * (1 - haze) + 237 * haze;
        pixels[4 * at + c] = Math.min(255, tone * light);
      }
    }
  }
}

function makePanel(entry) {
  const figure = document.createElement('figure');
  const canvas = document.createElement('canvas');
  const caption = document.createElement('figcaption');
  const count = document.createElement('span');
  caption.textContent = entry.title;
  if (entry.count) count.textContent = entry.count + ' points';
  caption.append(count);
  figure.append(canvas, caption);
  return { figure, canvas, cloud: readCloud(entry) };
}

function drawPanel(panel) {
  const box = panel.canvas.getBoundingClientRect();
  if (box.bottom < 0 || box.top > window.innerHeight) return;
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const size = Math.max(64, Math.round(box.width * ratio));
  if (panel.canvas.width !== size) {
    panel.canvas.width = panel.canvas.height = size;
  }
  const context = panel.canvas.getContext('2d');
  const image = context.createImageData(size, size);
  drawCloud(panel.cloud, image.data, size, view);
  context.putImageData(image, 0, 0);
}

function startViewer() {
  const data = JSON.parse(document.getElementById('data').textContent);
  const sheet = document.getElementById('sheet');
  if (data.columns) {
    sheet.style.gridTemplateColumns = `repeat(${data.columns}, 1fr)`;
  }
  const panels = data.clouds.map(makePanel);
  panels.forEach((panel) => sheet.append(panel.figure));
  let waiting = false;
  const redraw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      panels.forEach(drawPanel);
    });
  };
  for (const { canvas } of panels) {
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!event.buttons) return;
      view.azimuth -= 0.01 * event.movementX;
      const tilted = view.elevation + 0.01 * event.movementY;
      view.elevation = Math.min(1.57, Math.max(-1.57, tilted));
      redraw();
    });
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      const factor = Math.exp(-0.001 * event.deltaY);
      view.zoom = Math.min(8, Math.max(0.3, view.zoom * factor));
      redraw();
    }, { passive: false });
    canvas.addEventListener('dblclick', () => {
      Object.assign(view, START);
      redraw();
    });
  }
  window.addEventListener('resize', redraw);
  window.addEventListener('scroll', redraw);
  redraw();
}

if (typeof document !== 'undefined') startViewer();
if (typeof module !== 'undefined') module.exports = { readCloud, drawCloud };
