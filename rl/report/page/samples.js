// The sample browser: run, stage and step; right, wrong, unscorable; tokens shaded by how unlikely they were.
(() => {
  const {node, number, data, showTip, hideTip} = report;
  const VERDICTS = ["right", "wrong", "unscorable"];
  const FAINTEST = 5;  // nats: a token this unlikely or more has the full shade
  const home = document.getElementById("samples");
  const tables = data.runs.flatMap((run) => run.samples.map((stage) => ({run: run.name, ...stage})));
  if (!tables.length) { home.append(node("p", {class: "quiet"}, ["These runs kept no rollouts."])); return; }
  const view = {table: 0, step: 0, verdict: ""};

  const tokenSpans = (sample) => sample.tokens.map((text, i) => {
    const logprob = sample.logprobs.length ? sample.logprobs[i] : undefined;
    const span = node("span", {"data-token": i}, [text]);
    if (logprob !== undefined) {
      const shade = logprob === null ? 1 : Math.min(1, -logprob / FAINTEST);
      if (shade > 0.01) span.style.backgroundColor = "rgba(var(--heat), " + (0.75 * shade).toFixed(3) + ")";
    }
    return span;
  });

  const tokenTip = (sample, i) => {
    const lines = [node("div", {class: "mono"}, [JSON.stringify(sample.tokens[i])])];
    if (sample.logprobs.length) {
      const logprob = sample.logprobs[i];
      lines.push(node("div", {}, [logprob === null ? "log-prob not finite"
          : "log-prob " + number(logprob) + ", probability " + number(Math.exp(logprob))]));
    }
    lines.push(node("div", {class: "quiet"}, ["token " + (i + 1) + " of " + sample.num_tokens]));
    return lines;
  };

  const completion = (sample) => {
    if (!sample.tokens.length) return node("p", {class: "text"}, [sample.completion ?? ""]);
    const text = node("p", {class: "text"}, tokenSpans(sample));
    text.addEventListener("pointermove", (event) => {
      const at = event.target.dataset.token;
      if (at === undefined) hideTip(); else showTip(event, tokenTip(sample, Number(at)));
    });
    text.addEventListener("pointerleave", hideTip);
    const parts = [text];
    const cut = sample.num_tokens - sample.tokens.length;
    if (cut > 0) {
      parts.push(node("p", {class: "quiet"}, ["cut here: " + cut + " more tokens are in the rollout file"]));
    } else if (sample.completion !== undefined) {
      parts.push(node("p", {class: "quiet"}, ["as text:"]), node("p", {class: "text"}, [sample.completion]));
    }
    return node("div", {}, parts);
  };

  const sampleCard = (sample) => {
    const fact = (name, value) => node("span", {}, [name + " ", node("b", {}, [value])]);
    const facts = [node("span", {class: "verdict " + sample.verdict}, [sample.verdict]), fact("sample", String(sample.sample)),
                   fact("reward", number(sample.reward)), fact("advantage", number(sample.advantage)),
                   ...Object.entries(sample.rewards).map(([name, value]) => fact(name, number(value))),
                   fact("tokens", number(sample.num_tokens))];
    if (sample.truncated) facts.push(node("span", {class: "wrong"}, ["truncated"]));
    return node("div", {class: "sample"}, [node("div", {class: "facts"}, facts), completion(sample)]);
  };

  // Samples of one prompt share one card, the prompt stands once.
  const groupCard = (samples) => {
    const {group, language, answer, prompt} = samples[0];
    const about = ["group " + group, language && "language " + language, answer && "expected answer " + answer];
    return node("article", {class: "card group"}, [
      node("p", {class: "quiet"}, [about.filter(Boolean).join(" \u00b7 ")]), node("p", {class: "text prompt"}, [prompt]),
      node("div", {class: "completions"}, samples.map(sampleCard))]);
  };

  const list = node("div"), summary = node("p", {class: "quiet"});
  const slider = node("input", {type: "range", min: 0, "aria-label": "step"}), stepLabel = node("b");
  const buttons = ["", ...VERDICTS].map((verdict) => {
    const button = node("button", {type: "button", class: verdict});
    button.addEventListener("click", () => { view.verdict = verdict; draw(); });
    return {verdict, button};
  });

  const draw = () => {
    hideTip();
    const table = tables[view.table], step = table.steps[view.step];
    slider.max = table.steps.length - 1;
    slider.value = view.step;
    stepLabel.textContent = String(step.step);
    const all = Object.values(step.verdicts).reduce((sum, count) => sum + count, 0);
    for (const {verdict, button} of buttons) {
      const count = step.samples.filter((sample) => !verdict || sample.verdict === verdict).length;
      button.textContent = (verdict || "all") + " " + count;
      button.setAttribute("aria-pressed", String(verdict === view.verdict));
    }
    summary.textContent = "Whole step: " + all + " samples, " +
        VERDICTS.map((verdict) => (step.verdicts[verdict] || 0) + " " + verdict).join(", ") +
        ". Kept on this page: " + table.steps.length + " of " + table.num_steps + " steps (at most " + data.limits.steps +
        ", evenly spaced), the first " + data.limits.samples + " samples a step, the first " +
        number(data.limits.tokens) + " tokens a sample.";
    const groups = new Map();
    for (const sample of step.samples) {
      if (view.verdict && sample.verdict !== view.verdict) continue;
      const key = sample.group + "\n" + sample.prompt;
      groups.set(key, [...(groups.get(key) || []), sample]);
    }
    list.replaceChildren(...[...groups.values()].map(groupCard));
    if (!groups.size) list.append(node("p", {class: "quiet"}, ["No such sample among those kept."]));
  };

  const picker = node("select", {"aria-label": "run and stage"},
                      tables.map((table, i) => node("option", {value: i}, [table.run + " \u00b7 " + table.stage])));
  const pick = (index) => { view.table = index; view.step = tables[index].steps.length - 1; };
  picker.addEventListener("change", () => { pick(Number(picker.value)); draw(); });
  slider.addEventListener("input", () => { view.step = Number(slider.value); draw(); });
  home.append(
      node("div", {class: "toolbar"}, [
        node("label", {}, ["run and stage", picker]), node("label", {}, ["step", slider, stepLabel]),
        node("span", {class: "choices"}, buttons.map(({button}) => button)),
        node("span", {class: "choices"}, ["likely", node("i", {class: "scale"}),
                                          "probability " + number(Math.round(Math.exp(-FAINTEST) * 1000) / 10) + "% or less"])]),
      summary, list);
  pick(0);
  draw();
})();
