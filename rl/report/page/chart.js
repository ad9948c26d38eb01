// One chart: axes, stage bands, curves with interval bands, hover read-out. All text goes through text nodes, never markup.
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const PLOT = {left: 52, right: 10, top: 20, bottom: 24, height: 210};

  // A node with attributes and children (strings become text); `svg` for the drawing's own namespace.
  const node = (name, attributes = {}, children = []) => fill(document.createElement(name), attributes, children);
  const svg = (name, attributes = {}, children = []) => fill(document.createElementNS(NS, name), attributes, children);
  const fill = (element, attributes, children) => {
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };

  const number = (value) => {
    if (value === null || value === undefined) return "none";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e9)) return value.toExponential(2).replace(/\.?0+e/, "e");
    if (size >= 1e3) return Math.round(value).toLocaleString("en-US");
    return String(Number(value.toPrecision(4)));
  };
  const tickText = (value, step) => {
    const size = Math.abs(value);
    if (size !== 0 && (step < 1e-3 && size < 0.1)) return value.toExponential(1).replace(".0e", "e");
    for (const [unit, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
      if (size >= unit) return Number((value / unit).toPrecision(4)) + letter;
    }
    return String(Number(value.toFixed(Math.max(0, 1 - Math.floor(Math.log10(step))))));
  };

  // Multiples of 1, 2 or 5 times a power of ten inside [low, high], about `count` of them.
  const ticks = (low, high, count) => {
    const rough = (high - low) / count, power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = power * [1, 2, 5, 10].find((multiple) => multiple * power >= rough);
    const values = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) values.push(i * step);
    return {values, step};
  };

  const tip = document.getElementById("tip");
  const showTip = (event, children) => {
    tip.replaceChildren(...children);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = event.clientX + 14 + box.width > innerWidth ? event.clientX - 14 - box.width : event.clientX + 14;
    const top = event.clientY + 14 + box.height > innerHeight ? event.clientY - 14 - box.height : event.clientY + 14;
    tip.style.left = Math.max(4, left) + "px";
    tip.style.top = Math.max(4, top) + "px";
  };
  const hideTip = () => { tip.hidden = true; };

  // Lowest and highest value to show: all data, the fixed ends a metric has, and never an empty range.
  const valueRange = (spec, points) => {
    let low = Infinity, high = -Infinity;
    for (const point of points) {
      low = Math.min(low, point.y, point.low ?? point.y);
      high = Math.max(high, point.y, point.high ?? point.y);
    }
    const pad = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.1 || 1;
    low = spec.min !== undefined ? Math.min(spec.min, low) : low >= 0 && low < pad * 6 ? 0 : low - pad;
    high = spec.max !== undefined ? Math.max(spec.max, high) : high + pad;
    return [low, high];
  };

  const movingMean = (points, width) => points.map((point, i) => {
    const half = Math.min(Math.floor(width / 2), i, points.length - 1 - i);
    let sum = 0;
    for (let k = i - half; k <= i + half; k++) sum += points[k].y;
    return {...point, y: sum / (2 * half + 1)};
  });

  const path = (points, x, y) => points.map((p, i) => (i ? "L" : "M") + x(p.x).toFixed(1) + "," + y(p.y).toFixed(1)).join("");

  const drawBands = (spec, frame, x) => spec.bands.flatMap((band, i) => {
    const left = Math.max(frame.left, x(band.start)), right = Math.min(frame.right, x(band.start + band.length));
    if (right <= left) return [];
    const parts = [svg("title", {}, [band.name])];
    if (i % 2 === 0) {
      parts.push(svg("rect", {class: "band", x: left, y: 4, width: right - left, height: frame.bottom - 4}));
    }
    const letters = Math.floor((right - left - 8) / 6.3);
    if (letters >= 3) {
      const label = band.name.length > letters ? band.name.slice(0, letters - 1) + "\u2026" : band.name;
      parts.push(svg("text", {x: left + 4, y: 15}, [label]));
    }
    return [svg("g", {}, parts)];
  });

  const drawAxes = (frame, x, y, xRange, yRange) => {
    const parts = [];
    const vertical = ticks(yRange[0], yRange[1], 4), across = ticks(xRange[0], xRange[1], (frame.right - frame.left) / 75);
    for (const value of vertical.values) {
      parts.push(svg("line", {class: "gridline", x1: frame.left, x2: frame.right, y1: y(value), y2: y(value)}),
                 svg("text", {x: frame.left - 6, y: y(value) + 4, "text-anchor": "end"}, [tickText(value, vertical.step)]));
    }
    for (const value of across.values) {
      parts.push(svg("line", {class: "axis", x1: x(value), x2: x(value), y1: frame.bottom, y2: frame.bottom + 4}),
                 svg("text", {x: x(value), y: frame.bottom + 17, "text-anchor": "middle"}, [tickText(value, across.step)]));
    }
    parts.push(svg("line", {class: "axis", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom}));
    return parts;
  };

  // Points of some steps only (evaluations) carry dots; those of every step would only thicken the line.
  const drawSegment = (points, smooth, x, y) => {
    const parts = [];
    const spread = points.filter((p) => p.low !== undefined);
    if (spread.length > 1) {
      const low = spread.map((p) => ({x: p.x, y: p.low})).reverse(), high = spread.map((p) => ({x: p.x, y: p.high}));
      parts.push(svg("path", {class: "spread", d: path(high, x, y) + path(low, x, y).replace("M", "L") + "Z"}));
    } else if (spread.length === 1) {
      const at = spread[0];
      parts.push(svg("rect", {class: "spread", x: x(at.x) - 3, y: y(at.high), width: 6, height: Math.max(1, y(at.low) - y(at.high))}));
    }
    const last = points[points.length - 1];
    const sparse = points.length < 2 || last.step - points[0].step > 1.5 * (points.length - 1);
    const smoothed = smooth > 1 && points.length > 4 && !sparse;
    if (points.length > 1) parts.push(svg("path", {class: smoothed ? "curve raw" : "curve", d: path(points, x, y)}));
    if (smoothed) parts.push(svg("path", {class: "curve", d: path(movingMean(points, smooth), x, y)}));
    if (sparse) for (const p of points) parts.push(svg("circle", {class: "dot", cx: x(p.x), cy: y(p.y), r: 2.6}));
    return parts;
  };

  const nearest = (points, at) => points.reduce((best, p) => Math.abs(p.x - at) < Math.abs(best.x - at) ? p : best);

  const readOut = (spec, at) => {
    const all = spec.series.flatMap((series) => series.points), focus = nearest(all, at);
    const rows = spec.series.map((series) => {
      const inStage = series.points.filter((p) => p.band === focus.band);
      if (!inStage.length) return null;
      const p = nearest(inStage, focus.x);
      const range = p.low === undefined ? "" : " [" + number(p.low) + ", " + number(p.high) + "]";
      return node("div", {}, [node("i", {class: "swatch run" + series.colour}), node("b", {}, [number(p.y)]), range + " ",
                              node("span", {class: "quiet"}, [series.name + ", " + p.stage + " step " + p.step])]);
    }).filter(Boolean);
    return {focus, rows};
  };

  // spec: {title, key, min, max, smooth, bands: [{name, start, length}], series: [{name, colour, points: [{x, y, low, high, step,
  // stage, band}]}]}; points rise in x. Draws into host, as wide as host is.
  report.drawChart = (host, spec) => {
    const width = Math.max(240, host.clientWidth);
    const frame = {left: PLOT.left, right: width - PLOT.right, top: PLOT.top, bottom: PLOT.height - PLOT.bottom};
    const points = spec.series.flatMap((series) => series.points);
    if (!points.length) { host.replaceChildren(node("p", {class: "quiet"}, ["No value in what is selected."])); return; }
    const first = spec.bands[0], last = spec.bands[spec.bands.length - 1];
    const xRange = [first.start, Math.max(last.start + last.length, first.start + 1)], yRange = valueRange(spec, points);
    const x = (value) => frame.left + (value - xRange[0]) / (xRange[1] - xRange[0]) * (frame.right - frame.left);
    const y = (value) => frame.bottom - (value - yRange[0]) / (yRange[1] - yRange[0]) * (frame.bottom - frame.top);
    const cursor = svg("line", {class: "cursor", y1: frame.top, y2: frame.bottom, visibility: "hidden"});
    const curves = spec.series.map((series) => svg("g", {class: "run" + series.colour}, spec.bands.flatMap((band) => {
      const segment = series.points.filter((p) => p.band === band.name);
      return segment.length ? drawSegment(segment, spec.smooth, x, y) : [];
    })));
    const drawing = svg("svg", {viewBox: "0 0 " + width + " " + PLOT.height, role: "img", "aria-label": spec.title},
                        [...drawBands(spec, frame, x), ...drawAxes(frame, x, y, xRange, yRange), ...curves, cursor]);
    drawing.addEventListener("pointermove", (event) => {
      const box = drawing.getBoundingClientRect();
      const at = xRange[0] + (event.clientX - box.left - frame.left) / (frame.right - frame.left) * (xRange[1] - xRange[0]);
      const {focus, rows} = readOut(spec, at);
      for (const end of ["x1", "x2"]) cursor.setAttribute(end, x(focus.x));
      cursor.setAttribute("visibility", "visible");
      showTip(event, rows);
    });
    drawing.addEventListener("pointerleave", () => { cursor.setAttribute("visibility", "hidden"); hideTip(); });
    host.replaceChildren(drawing);
  };

  Object.assign(report, {node, number, showTip, hideTip, data: JSON.parse(document.getElementById("data").textContent)});
})();
