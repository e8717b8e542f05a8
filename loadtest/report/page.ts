// Results as one HTML page that needs nothing else, not even script: whether all is well first, then what
// was measured on what, then a section for each scenario.

import { briefly, COLOURS, dashOf, drawChart } from './draw-chart.js'
import { errorCount, formatErrors } from './errors.js'
import { TOO_BUSY } from './machine.js'
import { html, Markup } from './markup.js'
import { PAGE_STYLE } from './page-style.js'
import type { Report } from './report.js'
import type { Chart, Result, Table, Target } from './result.js'
import { isMet, TARGET_COLUMNS, targetCells } from './targets.js'

/** With a unit of few letters, or none where there was nothing to measure. */
const NUMBER = /^([-−]?[\d.,]+( ?\S{1,3})?|-|NaN|)$/
/** Letters beyond which a cell may be wrapped. */
const LONG_CELL = 30

export function reportPage({ results, missing }: Report): string {
  const ids = idsOf(results)
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Callgate load tests, ${commonly(results, ({ commit }) => commit)}</title>
<style>${new Markup(PAGE_STYLE)}</style>
</head>
<body>
<header>
<h1>Callgate load tests</h1>
${verdict(results)}
${missing.map(
  ({ command, reason }) =>
    html`<p class="wrong">Not measured: <code>${command}</code> (${reason})</p>`,
)}
<dl class="facts">
<dt>Machine</dt><dd>${commonly(results, ({ machine }) => machine)}</dd>
<dt>Source</dt><dd>${commonly(results, ({ commit }) => commit)}</dd>
<dt>Date</dt><dd>${period(results)}</dd>
</dl>
${busyOnes(results)}
${targetsOf(results, ids)}
${contents(results, ids)}
</header>
<main>
${results.map((result) => section(result, ids.get(result)!))}
</main>
</body>
</html>
`
  return page.text
}

type Ids = ReadonlyMap<Result, string>

/** A scenario may be there twice, with other options. */
function idsOf(results: readonly Result[]): Ids {
  return new Map(results.map((result, index) => [result, `${result.scenario}-${index + 1}`]))
}

function verdict(results: readonly Result[]): Markup {
  const targets = results.flatMap((result) => result.targets)
  const met = targets.filter(isMet).length
  const errors = results.reduce((total, result) => total + errorCount(result.errors), 0)
  const ofTargets = html`<span class="${met === targets.length ? 'right' : 'wrong'}">${met} of
${count(targets.length, 'target')} met</span>,`
  return html`<p class="verdict">${count(results.length, 'scenario')}:
${targets.length === 0 ? '' : ofTargets}
<span class="${errors === 0 ? 'right' : 'wrong'}">${errors === 0 ? 'no errors' : count(errors, 'error')}</span></p>`
}

/** Their figures are not to be trusted, which nobody may miss. */
function busyOnes(results: readonly Result[]): Markup {
  const names = [...new Set(results.filter(isBusy).map(({ scenario }) => scenario))]
  if (names.length === 0) return html``
  return html`<p class="wrong">The machine was too busy to measure: ${names.join(', ')}.</p>`
}

function targetsOf(results: readonly Result[], ids: Ids): Markup {
  const rows = results.flatMap((result) =>
    result.targets.map((target) => targetRow(target, html`<td>${linkTo(result, ids)}</td>`)),
  )
  if (rows.length === 0) return html``
  return html`<h2>Targets</h2>
<div class="scroll"><table>
<thead><tr><th>scenario</th>${targetHeads()}</tr></thead>
<tbody>${rows}</tbody>
</table></div>`
}

function contents(results: readonly Result[], ids: Ids): Markup {
  const rows = results.map(
    (result) => html`<tr><td>${linkTo(result, ids)}</td>
<td class="long">${result.title}${takeaway(result.headline)}</td>
<td>${errorsOf(result.errors)}</td></tr>`,
  )
  return html`<h2>Scenarios</h2>
<div class="scroll"><table>
<thead><tr><th>scenario</th><th>what was measured, and what came out</th><th>errors</th></tr></thead>
<tbody>${rows}</tbody>
</table></div>`
}

function linkTo(result: Result, ids: Ids): Markup {
  return html`<a href="#${ids.get(result)!}">${result.scenario}</a>`
}

function takeaway(headline: string | undefined): Markup {
  return headline === undefined ? html`` : html`<br><span class="faint">${headline}</span>`
}

function section(result: Result, id: string): Markup {
  const { scenario, title, command, tables, charts, targets, notes, errors } = result
  return html`<section id="${id}">
<h2>${scenario}</h2>
<p>${title}</p>
<p class="faint">Again: <code>${command}</code><br><span class="${isBusy(result) ? 'wrong' : ''}">${result.others}</span>; errors: ${errorsOf(errors)}</p>
${targets.length === 0 ? '' : targetTable(targets)}
${tables.map(tableOf)}
<div class="charts">${charts.map((chart) => figure(chart, colours(charts, chart.kind)))}</div>
${notes.length === 0 ? '' : html`<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
</section>
`
}

function targetTable(targets: readonly Target[]): Markup {
  return html`<div class="scroll"><table>
<thead><tr>${targetHeads()}</tr></thead>
<tbody>${targets.map((target) => targetRow(target))}</tbody>
</table></div>`
}

function targetHeads(): Markup[] {
  return TARGET_COLUMNS.map((column) => html`<th>${column}</th>`)
}

function targetRow(target: Target, before = html``): Markup {
  const [name, wanted, measured, verdict] = targetCells(target)
  return html`<tr>${before}<td>${name}</td><td>${wanted}</td><td>${measured}</td>
<td class="${verdict}">${verdict}</td></tr>`
}

function errorsOf(errors: Result['errors']): Markup {
  const isNone = errorCount(errors) === 0
  return html`<span class="${isNone ? 'right' : 'wrong'}">${isNone ? 'none' : formatErrors(errors)}</span>`
}

function tableOf({ title, columns, rows }: Table): Markup {
  const classes = columns.map((_, index) => {
    const cells = rows.map((row) => row[index]!)
    if (cells.every((cell) => NUMBER.test(cell))) return 'number'
    return cells.some((cell) => cell.length > LONG_CELL) ? 'long' : 'short'
  })
  const head = columns.map((column, index) => html`<th class="${classes[index]!}">${column}</th>`)
  const body = rows.map((row) => {
    const cells = row.map((cell, index) => html`<td class="${classes[index]!}">${cell}</td>`)
    return html`<tr>${cells}</tr>\n`
  })
  return html`${title === undefined ? '' : html`<h3>${title}</h3>`}
<div class="scroll"><table>
<thead><tr>${head}</tr></thead>
<tbody>${body}</tbody>
</table></div>`
}

function figure(chart: Chart, colourOf: (series: string) => number): Markup {
  return html`<figure>
<figcaption>${chart.title}</figcaption>
<ul class="legend">${chart.series.map(({ name }) => legendItem(chart.kind, name, colourOf(name)))}</ul>
${drawChart(chart, colourOf)}
<details><summary>The figures of this chart</summary>${tableOf(figuresOf(chart))}</details>
</figure>
`
}

function legendItem(kind: Chart['kind'], name: string, colour: number): Markup {
  const stroke = `stroke="var(--series-${(colour % COLOURS) + 1})"`
  const line =
    kind === 'bar'
      ? `<path d="M5 5h14" stroke-width="10" ${stroke}/>`
      : `<path d="M0 5h24" stroke-width="3" stroke-dasharray="${dashOf(colour)}" ${stroke}/>`
  const key = new Markup(`<svg viewBox="0 0 24 10" aria-hidden="true">${line}</svg>`)
  return html`<li>${key}${name}</li>`
}

/** A row for each x that any series has. */
function figuresOf({ kind, x, y, series }: Chart): Table {
  const values = series.map(({ points }) => new Map(points))
  const all = [...new Set(values.flatMap((points) => [...points.keys()]))].sort((a, b) => a - b)
  const nameOf = (at: number) => (kind === 'bar' ? (x.categories?.[at] ?? '') : String(at))
  const cell = (value: number | undefined) => (value === undefined ? '' : briefly(value))
  return {
    columns: [
      x.label,
      ...series.map(({ name }) => (y.label === '' ? name : `${name}, ${y.label}`)),
    ],
    rows: all.map((at) => [nameOf(at), ...values.map((points) => cell(points.get(at)))]),
  }
}

/** One colour for a name in all charts of a scenario; lines and bars tell of different things. */
function colours(charts: readonly Chart[], kind: Chart['kind']): (series: string) => number {
  const same = charts.filter((chart) => chart.kind === kind)
  const names = [...new Set(same.flatMap(({ series }) => series.map(({ name }) => name)))]
  return (series) => names.indexOf(series)
}

function isBusy({ others }: Result): boolean {
  return others.includes(TOO_BUSY)
}

/** What all have in common, or what there is. */
function commonly(results: readonly Result[], what: (result: Result) => string): string {
  return [...new Set(results.map(what))].join('; ')
}

function period(results: readonly Result[]): string {
  const days = results.map(({ startedAt }) => startedAt.slice(0, 16).replace('T', ' ')).sort()
  const [first, last] = [days[0] ?? '', days.at(-1) ?? '']
  return first === last ? `${first} UTC` : `${first} to ${last} UTC`
}

function count(number: number, what: string): string {
  return `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`
}
