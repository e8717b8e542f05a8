// The page's looks: light and dark by the reader's own choice, and on paper. The colours of the series are
// told apart by those who see fewer of them, on both grounds.

export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --panel: #f6f7f9; --ink: #1b1f24; --faint: #5b6470; --rule: #d8dde3;
  --met: #137333; --missed: #b3261e; --link: #0b57d0;
  --series-1: #0b62c4; --series-2: #d9610a; --series-3: #18794e; --series-4: #b0287c;
  --series-5: #6f5bd3; --series-6: #8a6100; --series-7: #0e8a9c; --series-8: #6b7280;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --panel: #1c2026; --ink: #e6e9ee; --faint: #a0a9b5; --rule: #333a43;
    --met: #6dd58c; --missed: #ff8a80; --link: #8ab4f8;
    --series-1: #6cb0ff; --series-2: #ff9f4a; --series-3: #5fd39b; --series-4: #ff86c4;
    --series-5: #b3a5ff; --series-6: #e3c04d; --series-7: #5fd4e6; --series-8: #a7b0bd;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 76rem; padding: 1.5rem clamp(0.8rem, 3vw, 2rem) 4rem;
  background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
h1 { font-size: 1.6rem; margin: 0 0 0.3rem; }
h2 { font-size: 1.25rem; margin: 0; }
h3 { font-size: 1rem; margin: 1.2rem 0 0.4rem; }
p { margin: 0.4rem 0; max-width: 60rem; }
a { color: var(--link); }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.87em; overflow-wrap: anywhere; }
.verdict { font-size: 1.1rem; font-weight: 600; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 0.9rem; margin: 0.6rem 0 1.2rem; }
.facts dt, .faint { color: var(--faint); }
.facts dd { margin: 0; }
section { margin-top: 2.4rem; padding-top: 1rem; border-top: 2px solid var(--rule); }
.met, .right { color: var(--met); font-weight: 600; }
.missed, .wrong { color: var(--missed); font-weight: 600; }
.scroll { overflow-x: auto; margin: 0.7rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 0.28rem 0.7rem; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
th { color: var(--faint); font-weight: 600; vertical-align: bottom; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td { max-width: 46rem; }
td.long { min-width: min(20rem, 70vw); }
td.short { white-space: nowrap; }
td.number { white-space: nowrap; }
tbody th { color: inherit; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); gap: 1rem; margin: 1rem 0; }
figure { margin: 0; padding: 0.8rem 0.9rem; background: var(--panel); border-radius: 6px; min-width: 0; break-inside: avoid; }
figcaption { font-weight: 600; }
figure svg { display: block; width: 100%; height: auto; max-width: 40rem; font: 12px system-ui, sans-serif; }
figure svg text { white-space: pre; }
.legend { display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; margin: 0.3rem 0; padding: 0; list-style: none; font-size: 0.85rem; }
.legend li { display: flex; align-items: center; gap: 0.4rem; overflow-wrap: anywhere; }
.legend svg { width: 24px; height: 10px; flex: none; }
details { margin-top: 0.4rem; font-size: 0.85rem; }
summary { color: var(--faint); cursor: pointer; }
details .scroll { max-height: 18rem; overflow-y: auto; }
ul.notes { color: var(--faint); padding-left: 1.1rem; margin: 0.5rem 0; max-width: 60rem; }
@media print {
  body { max-width: none; padding: 0; font-size: 11px; }
  .charts { grid-template-columns: 1fr 1fr; }
  details { display: none; }
  section, tr { break-inside: avoid-page; }
  a { color: inherit; }
}
`
