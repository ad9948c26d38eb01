// Which charts there are, where a point lies on the x axis, and the toolbar over them.
(() => {
  const {node, number, data} = report;
  const COLOURS = 8;
  const view = {x: "step", stage: "", smooth: 1, whole: false, hidden: new Set()};
  const isRl = (stage) => "reward" in stage.metrics;

  // The charts shown first: key or pattern, title, fixed ends of the axis, and which stages belong (the losses of training and of
  // reinforcement learning are different things on different scales).
  const SHOWN = [
    {match: "reward", title: "Reward"},
    {match: /^eval\/(.+)\/(pass@\d+|cons@\d+)$/, title: "Held-out accuracy, $1", min: 0, max: 1},
    {match: "completions/mean_length", title: "Completion length, tokens"},
    {match: "entropy", title: "Entropy, nats a token"},
    {match: "kl", title: "KL to the reference"},
    {match: /^eval\/(.+)\/language_consistency$/, title: "Language consistency, $1", min: 0, max: 1},
    {match: /^rewards\/(.+)\/mean$/, title: "Verifier: $1"},
    {match: "loss", title: "Loss, training stages", stages: (stage) => !isRl(stage)},
    {match: "loss", title: "Loss, reinforcement learning", stages: isRl},
    {match: "grad_norm", title: "Gradient norm"},
    {match: "lr", title: "Learning rate"},
    {match: "perf/throughput", title: "Throughput, tokens a second", min: 0},
    {match: "rollout/logprob_bitwise_equal_ratio", title: "Log-probs equal to the last bit, share", min: 0, max: 1},
  ];

  // Stages of all runs side by side. A stage shares its place with those of its name, else with one of its kind that its run has
  // no name for (rl beside rl_zero), so that comparable curves lie over each other; a new place goes behind the one before it.
  const placeStages = () => {
    const places = [];
    data.runs.forEach((run) => {
      const own = new Set(run.stages.map((stage) => stage.name)), taken = new Set();
      let at = 0;
      for (const stage of run.stages) {
        const free = places.slice(at).filter((place) => !taken.has(place));
        let place = places.find((candidate) => candidate.names.includes(stage.name)) ||
            free.find((candidate) => candidate.kind === stage.kind && !candidate.names.some((name) => own.has(name)));
        if (!place) { place = {names: [], kind: stage.kind}; places.splice(at, 0, place); }
        if (!place.names.includes(stage.name)) place.names.push(stage.name);
        taken.add(place);
        at = places.indexOf(place) + 1;
      }
    });
    return places.map((place) => ({...place, name: place.names.join(" / ")}));
  };
  const PLACES = placeStages();

  // x of point i inside its stage; null when it has none.
  const xInStage = (stage, i) => {
    if (view.x === "step") return stage.steps[i];
    const tokens = (stage.metrics.num_tokens || [])[i];
    return tokens === null || tokens === undefined ? null : tokens - stage.tokens_before;
  };

  const visibleRuns = () => data.runs.map((run, index) => ({run, index})).filter(({index}) => !view.hidden.has(index));

  // The places in view, each as long as its longest stage.
  const bands = () => {
    let start = 0;
    return (view.stage ? [PLACES[Number(view.stage)]] : PLACES).map((place) => {
      let length = 0;
      for (const {run} of visibleRuns()) {
        for (const stage of run.stages) {
          if (!place.names.includes(stage.name)) continue;
          stage.steps.forEach((_, i) => { if (xInStage(stage, i) !== null) length = Math.max(length, xInStage(stage, i), 1); });
        }
      }
      const band = {...place, start, length};
      start += length;
      return band;
    }).filter((band) => band.length > 0);
  };

  const seriesOf = (chart, run, index, laid) => {
    const points = [];
    for (const band of laid) {
      const stage = run.stages.find((candidate) => band.names.includes(candidate.name));
      const column = stage && chart.stages(stage) ? stage.metrics[chart.key] : undefined;
      if (!column) continue;
      const intervals = stage.intervals[chart.key] || [];
      column.forEach((y, i) => {
        const x = xInStage(stage, i);
        if (y === null || x === null) return;
        const [low, high] = intervals[i] || [undefined, undefined];
        points.push({x: band.start + x, y, low, high, step: stage.steps[i], stage: stage.name, band: band.name});
      });
    }
    return {name: run.name, colour: index % COLOURS, points};
  };

  const drawOne = (chart) => {
    const laid = bands();
    const series = visibleRuns().map(({run, index}) => seriesOf(chart, run, index, laid));
    const used = new Set(series.flatMap((one) => one.points.map((point) => point.band)));
    const inUse = laid.map((band) => used.has(band.name));
    const shown = view.whole ? laid : laid.slice(inUse.indexOf(true), inUse.lastIndexOf(true) + 1);
    chart.legend.replaceChildren(...series.filter((one) => one.points.length).map((one) => node("span", {}, [
      node("i", {class: "swatch run" + one.colour}), data.runs.length > 1 ? one.name + " " : "last ",
      node("b", {}, [number(one.points[one.points.length - 1].y)])])));
    report.drawChart(chart.plot, {...chart, smooth: view.smooth, bands: shown, series: series.filter((one) => one.points.length)});
  };

  const makeChart = (home, key, spec) => {
    const chart = {key, title: spec.title, min: spec.min, max: spec.max, stages: spec.stages || (() => true),
                   legend: node("div", {class: "legend"}), plot: node("div")};
    const heading = [node("h3", {}, [spec.title])];
    if (spec.title !== key) heading.push(node("div", {class: "mono"}, [key]));
    home.append(node("article", {class: "card chart"}, [...heading, chart.legend, chart.plot]));
    return chart;
  };

  const KEYS = [...new Set(data.runs.flatMap((run) => run.stages.flatMap((stage) => Object.keys(stage.metrics))))].sort();
  const hasPoints = (key, stages = () => true) => data.runs.some((run) => run.stages.some(
      (stage) => stages(stage) && (stage.metrics[key] || []).some((value) => value !== null)));
  const charts = [];
  for (const spec of SHOWN) {
    for (const key of KEYS) {
      const hit = spec.match instanceof RegExp ? key.match(spec.match) : key === spec.match;
      if (!hit || !hasPoints(key, spec.stages)) continue;
      const rest = hit[2] && hit[2] !== "pass@1" ? " " + hit[2] : "";
      const title = spec.title.replace("$1", () => hit[1]) + rest;
      charts.push(makeChart(document.getElementById("charts"), key, {...spec, title}));
    }
  }
  const first = new Set(charts.map((chart) => chart.key));
  const others = KEYS.filter((key) => !first.has(key) && hasPoints(key));
  const more = document.getElementById("more");
  more.hidden = others.length === 0;
  more.querySelector("summary").append(others.length + " further metrics");
  const moreCharts = [];
  more.addEventListener("toggle", () => {
    if (!more.open) return;
    if (!moreCharts.length) for (const key of others) moreCharts.push(makeChart(more.querySelector(".grid"), key, {title: key}));
    moreCharts.forEach(drawOne);
  });

  const drawAll = () => [...charts, ...(more.open ? moreCharts : [])].forEach(drawOne);

  const choice = (label, options, set) => {
    const select = node("select", {}, options.map(([value, text]) => node("option", {value}, [text])));
    select.addEventListener("change", () => { set(select.value); drawAll(); });
    return node("label", {}, [label, select]);
  };
  const runButton = (run, index) => {
    const button = node("button", {class: "toggle", type: "button", "aria-pressed": "true"},
                        [node("i", {class: "swatch run" + index % COLOURS}), run.name]);
    button.addEventListener("click", () => {
      if (!view.hidden.delete(index)) view.hidden.add(index);
      button.setAttribute("aria-pressed", String(!view.hidden.has(index)));
      drawAll();
    });
    return button;
  };
  const whole = node("input", {type: "checkbox"});
  whole.addEventListener("change", () => { view.whole = whole.checked; drawAll(); });
  const toolbar = document.getElementById("toolbar");
  toolbar.append(
      choice("x axis", [["step", "global step"], ["tokens", "tokens"]], (value) => { view.x = value; }),
      choice("stage", [["", "all stages"], ...PLACES.map(({name}, i) => [i, name])], (value) => { view.stage = value; }),
      choice("smooth", [["1", "off"], ["5", "5 steps"], ["15", "15 steps"], ["51", "51 steps"]],
             (value) => { view.smooth = Number(value); }),
      node("label", {title: "draw every chart over all stages, also those without its metric"}, [whole, "whole run"]));
  if (data.runs.length > 1) toolbar.append(node("span", {class: "choices"}, data.runs.map(runButton)));

  let drawnWidth = 0;
  new ResizeObserver(() => {
    const width = document.getElementById("charts").clientWidth;
    if (width !== drawnWidth) { drawnWidth = width; requestAnimationFrame(drawAll); }
  }).observe(document.getElementById("charts"));
  drawnWidth = document.getElementById("charts").clientWidth;
  drawAll();
})();
