'use strict';
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = Array.from(table.tHead.rows[0].cells), body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const sign = head.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
      const rows = Array.from(body.rows), value = row => row.cells[column].dataset.value;
      rows.sort((a, b) => {
        const x = value(a), y = value(b);
        if (x === undefined || y === undefined) {
          if (x !== y) return x === undefined ? 1 : -1;
          return sign * a.cells[column].textContent.localeCompare(b.cells[column].textContent);
        }
        return sign * (x - y);
      });
      heads.forEach(other => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', sign === 1 ? 'ascending' : 'descending');
      body.append(...rows);
    });
  });
}
const tip = document.createElement('div');
tip.className = 'tip';
tip.hidden = true;
document.body.append(tip);
for (const figure of document.querySelectorAll('figure')) {
  const svg = figure.querySelector('svg'), panels = new Map(), parts = new Map(), points = [], names = [];
  if (!svg) continue;
  for (const plot of svg.querySelectorAll('g[id*=gnuplot_plot_]')) {
    const panel = plot.id.replace(/.*gnuplot_plot_[0-9]+/, '');
    panels.set(panel, (panels.get(panel) || []).concat([plot]));
  }
  const lists = Array.from(panels.values()), legend = lists.pop() || [];
  for (const plots of lists) {
    const count = plots.length / 3;
    for (let line = 0; count > line; line++) {
      const texts = Array.from(plots[2 * count + line].querySelectorAll('text'));
      if (!texts.length) continue;
      const entry = Number.parseInt(texts[0].textContent, 10);
      parts.set(entry, (parts.get(entry) || []).concat([plots[line], plots[count + line]]));
      for (const text of texts) {
        const place = text.parentNode.getAttribute('transform').match(/-?[0-9.]+/g);
        const label = text.textContent.slice(text.textContent.indexOf('|') + 1);
        points.push({x: Number(place[0]), y: Number(place[1]), entry, label});
      }
      plots[2 * count + line].replaceChildren();
    }
  }
  const row = document.createElement('div'), off = new Set();
  row.className = 'lines';
  legend.forEach((plot, index) => {
    const text = plot.querySelector('text'), shape = plot.querySelector('path[stroke], use[color]');
    names[index + 1] = text ? text.textContent : '';
    if (!parts.has(index + 1)) return;
    const button = document.createElement('button'), sample = document.createElement('i');
    button.type = 'button';
    button.setAttribute('aria-pressed', 'true');
    button.title = 'show or hide this line';
    sample.style.background = shape ? shape.getAttribute('stroke') || shape.getAttribute('color') : 'none';
    button.append(sample, names[index + 1]);
    button.addEventListener('click', () => {
      const hide = !off.has(index + 1);
      if (hide) off.add(index + 1); else off.delete(index + 1);
      button.setAttribute('aria-pressed', String(!hide));
      for (const part of parts.get(index + 1).concat([plot])) part.classList.toggle('off', hide);
    });
    row.append(button);
  });
  if (row.children.length > 1) svg.parentNode.after(row);
  const ring = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
  ring.setAttribute('r', 7);
  ring.setAttribute('fill', 'none');
  ring.setAttribute('stroke', '#444444');
  ring.setAttribute('visibility', 'hidden');
  svg.append(ring);
  const leave = () => {
    tip.hidden = true;
    ring.setAttribute('visibility', 'hidden');
  };
  const show = event => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    let nearest = null, least = 24;
    for (const point of points) {
      const distance = Math.hypot(point.x - at.x, point.y - at.y);
      if (off.has(point.entry) || distance >= least) continue;
      nearest = point;
      least = distance;
    }
    if (!nearest) return leave();
    ring.setAttribute('cx', nearest.x);
    ring.setAttribute('cy', nearest.y);
    ring.setAttribute('visibility', 'visible');
    tip.textContent = names[nearest.entry] + ', ' + nearest.label;
    tip.hidden = false;
    tip.style.left = Math.max(8, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8)) + 'px';
    tip.style.top = Math.max(8, event.clientY - tip.offsetHeight - 12) + 'px';
  };
  svg.addEventListener('pointermove', show);
  svg.addEventListener('pointerdown', show);
  svg.addEventListener('pointerleave', leave);
}
