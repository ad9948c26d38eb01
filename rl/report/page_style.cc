#include "rl/report/page_assets.h"

namespace deduce {

const char kPageStyle[] = R"css(
:root {
  --page: #f6f6f4; --card: #ffffff; --ink: #1b1d21; --quiet: #666b73; --line: #dcddd9; --grid: #ebebe8;
  --band: #f1f2ef; --accent: #2457a6; --heat: 214, 94, 20;
  --right: #1b7a43; --wrong: #b3261e; --unscorable: #7a6a00;
  --run0: #2463b8; --run1: #d1600a; --run2: #1a8a5f; --run3: #a83e8c;
  --run4: #7b6a14; --run5: #6a4fc3; --run6: #c0333d; --run7: #3f8ea3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15171a; --card: #1d2024; --ink: #e7e8ea; --quiet: #9aa0a8; --line: #343840; --grid: #2a2e34;
    --band: #23272c; --accent: #8ab4f8; --heat: 255, 138, 61;
    --right: #5fc98c; --wrong: #f28b82; --unscorable: #d8c24a;
    --run0: #7fb0ff; --run1: #ff9f55; --run2: #58d3a2; --run3: #eb8fd3;
    --run4: #d3bf57; --run5: #b19dff; --run6: #ff8a8f; --run7: #74cbe0;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1440px; margin: 0 auto; padding: 24px clamp(12px, 3vw, 40px) 80px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 20px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 40px 0 12px; }
h3 { font-size: 15px; margin: 0; overflow-wrap: anywhere; }
header p { margin: 0; letter-spacing: 0.04em; }
code, .mono { font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { overflow-wrap: anywhere; }
.quiet { color: var(--quiet); font-size: 13px; margin: 2px 0 0; }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 8px;
  background: currentColor; vertical-align: -1px; }
.run0 { color: var(--run0); } .run1 { color: var(--run1); } .run2 { color: var(--run2); }
.run3 { color: var(--run3); } .run4 { color: var(--run4); } .run5 { color: var(--run5); }
.run6 { color: var(--run6); } .run7 { color: var(--run7); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; min-width: 0; }
.cards { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); }
.grid { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); }

dl { margin: 12px 0 0; display: grid; gap: 8px 28px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), max-content)); }
dt { color: var(--quiet); font-size: 13px; }
dt b { color: var(--ink); font-weight: 500; }
dd { margin: 0; font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.35; }
.arrow { color: var(--quiet); font-weight: 400; }
.interval { color: var(--quiet); font-size: 12.5px; font-weight: 400; white-space: nowrap; }

.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; background: var(--card); }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 8px 14px; border-bottom: 1px solid var(--grid); vertical-align: top; white-space: nowrap; }
thead th { color: var(--quiet); font-weight: 500; font-size: 12.5px; border-bottom-color: var(--line); }
tbody th { font-weight: 600; border-bottom: 0; }
tbody tr:has(th) > * { border-top: 1px solid var(--line); }
tbody tr:last-child td { border-bottom: 0; }
.number { text-align: right; }

.toolbar { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: 8px 18px; align-items: center;
  padding: 10px 0; background: var(--page); }
.toolbar label, .choices { display: inline-flex; gap: 7px; align-items: center; color: var(--quiet); font-size: 13px; }
select, button { font: inherit; font-size: 13px; color: var(--ink); background: var(--card);
  border: 1px solid var(--line); border-radius: 6px; padding: 4px 9px; max-width: 260px; }
button { cursor: pointer; }
button[aria-pressed="true"] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
button.toggle[aria-pressed="false"] { opacity: 0.45; text-decoration: line-through; }
button.toggle[aria-pressed="true"] { border-color: var(--line); box-shadow: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
input[type="range"] { width: min(320px, 40vw); accent-color: var(--accent); }

.chart { padding: 12px 14px 8px; }
.chart .mono { color: var(--quiet); overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 0 14px; font-size: 12.5px; margin: 2px 0 4px; color: var(--quiet);
  font-variant-numeric: tabular-nums; min-height: 19px; }
.legend b { color: var(--ink); font-weight: 600; }
.legend .swatch { width: 14px; height: 3px; margin-right: 5px; vertical-align: 4px; }
svg { display: block; width: 100%; height: 210px; touch-action: pan-y; }
svg text { fill: var(--quiet); font-size: 11px; font-variant-numeric: tabular-nums; }
.gridline { stroke: var(--grid); }
.axis { stroke: var(--line); }
.band { fill: var(--band); }
.curve { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
.curve.raw { stroke-width: 1; opacity: 0.28; }
.dot { fill: currentColor; }
.spread { fill: currentColor; opacity: 0.16; }
.cursor { stroke: var(--quiet); stroke-dasharray: 3 3; }
details { margin-top: 16px; }
summary { cursor: pointer; color: var(--accent); margin-bottom: 12px; }
#tip { position: fixed; z-index: 5; pointer-events: none; background: var(--card); color: var(--ink); max-width: 360px;
  border: 1px solid var(--line); border-radius: 6px; box-shadow: 0 4px 16px rgba(0, 0, 0, 0.18); padding: 7px 10px;
  font-size: 12.5px; line-height: 1.45; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }

.group { margin-top: 14px; }
.group > .quiet { margin: 0 0 2px; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0;
  font: 13px/1.65 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.prompt { padding: 8px 10px; background: var(--band); border-radius: 6px; max-height: 220px; overflow: auto; }
.completions { display: grid; gap: 0 28px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 460px), 1fr)); }
.sample { border-top: 1px solid var(--grid); padding: 10px 0; margin-top: 10px; min-width: 0; }
.sample .text { max-height: 360px; overflow: auto; margin-top: 6px; }
.facts { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12.5px; color: var(--quiet); font-variant-numeric: tabular-nums; }
.facts b { color: var(--ink); font-weight: 600; }
.right { color: var(--right); } .wrong { color: var(--wrong); } .unscorable { color: var(--unscorable); }
.facts .verdict { font-weight: 600; }
.text span { border-radius: 2px; }
.text span:hover { outline: 1px solid var(--accent); }
.scale { display: inline-block; width: 120px; height: 10px; border-radius: 3px;
  background: linear-gradient(90deg, rgba(var(--heat), 0), rgba(var(--heat), 0.75)); border: 1px solid var(--line); }
@media print { .toolbar { position: static; } .chart, .group { break-inside: avoid; } }
)css";

}  // namespace deduce
