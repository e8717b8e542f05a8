// One chart as SVG, drawn by Observable Plot into a document of linkedom's: no script in the page, and no
// browser here. Colours are the page's CSS variables, so that one drawing does for light and dark.

import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { Markup } from './markup.js'
import type { Axis, Chart, Series } from './result.js'

export const COLOURS = 8

/** Small, because the page makes drawings as wide as there is room, letters with them. */
const WIDTH = 500
const LINE_HEIGHT = 280
const BAR_HEIGHT = 34
const FONT_SIZE = 12
const LETTER_WIDTH = 6.2
const MOST_LABEL_WIDTH = 160
/** So that lines are told apart without colours, too. */
const DASHES = ['none', '7 3', '2 3', '9 3 2 3']
/** Of ten, for all of which there is no room on an axis. */
const MANY_POWERS = 5
/** Fewer points than that are marked. */
const MANY_POINTS = 25

/** @param colourOf the number of a series' colour */
export function drawChart(chart: Chart, colourOf: (series: string) => number): Markup {
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  const options = chart.kind === 'bar' ? bars(chart, colourOf) : lines(chart, colourOf)
  const svg = Plot.plot({ ...options, document: document as unknown as Document, width: WIDTH })
  // Of these there is one for the whole page.
  for (const style of svg.querySelectorAll('style')) style.remove()
  for (const name of ['class', 'width', 'height', 'font-family', 'font-size']) {
    svg.removeAttribute(name)
  }
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', `${chart.title}; its figures are in the table that follows`)
  return new Markup(svg.outerHTML.replace(/\d+\.\d{3,}/g, (digits) => Number(digits).toFixed(2)))
}

/** What tells a line from the others, in its legend as well. */
export function dashOf(colour: number): string {
  return DASHES[colour % DASHES.length]!
}

function lines({ x, y, series }: Chart, colourOf: (series: string) => number): Plot.PlotOptions {
  const isDrawn = ([px, py]: readonly [number, number]) =>
    Number.isFinite(py) && (x.scale !== 'log' || px > 0) && (y.scale !== 'log' || py > 0)
  const marks = series.flatMap(({ name, points }) => {
    const data = points.filter(isDrawn).map(([px, py]) => [placeOf(px, x), placeOf(py, y)])
    const colour = colourOf(name)
    const stroke = variable(colour)
    const line = Plot.line(data, { stroke, strokeWidth: 2, strokeDasharray: dashOf(colour) })
    return data.length >= MANY_POINTS ? [line] : [line, Plot.dot(data, { fill: stroke, r: 2.5 })]
  })
  return {
    height: LINE_HEIGHT,
    marginLeft: 52,
    marginBottom: 42,
    style: { fontSize: `${FONT_SIZE}px` },
    x: { ...axis(x, valuesOf(series, 0)), ...(x.scale === 'nines' && nines(series)) },
    y: { ...axis(y, valuesOf(series, 1)), grid: true, ...(y.scale !== 'log' && { zero: true }) },
    marks,
  }
}

/** They lie, because names of what is compared are long. */
function bars({ x, y, series }: Chart, colourOf: (series: string) => number): Plot.PlotOptions {
  const categories = x.categories ?? []
  const data = series.flatMap(({ name, points }) =>
    points.map(([index, value]) => ({ category: categories[index]!, value, fill: name })),
  )
  const totals = categories.map((category) => ({
    category,
    value: data.reduce((sum, it) => (it.category === category ? sum + it.value : sum), 0),
  }))
  const longest = Math.max(...categories.map(({ length }) => length)) * LETTER_WIDTH
  const most = Math.max(...totals.map(({ value }) => value))
  return {
    height: categories.length * BAR_HEIGHT + 50,
    marginLeft: Math.min(MOST_LABEL_WIDTH, longest) + 14,
    // For the figure behind the longest bar.
    marginRight: 40,
    marginBottom: 42,
    style: { fontSize: `${FONT_SIZE}px` },
    x: { ...axis(y, []), grid: true, domain: [0, most] },
    y: { label: null, domain: [...categories], tickSize: 0 },
    marks: [
      Plot.barX(data, {
        x: 'value',
        y: 'category',
        fill: (it: (typeof data)[number]) => variable(colourOf(it.fill)),
        insetRight: 1,
      }),
      Plot.text(totals, {
        ...{ x: 'value', y: 'category', textAnchor: 'start', dx: 5 },
        text: ({ value }) => briefly(value),
      }),
    ],
  }
}

function variable(colour: number): string {
  return `var(--series-${(colour % COLOURS) + 1})`
}

function valuesOf(series: readonly Series[], coordinate: 0 | 1): number[] {
  return series.flatMap(({ points }) => points.map((point) => point[coordinate]))
}

function axis({ label, scale }: Axis, values: readonly number[]): Plot.ScaleOptions {
  if (scale !== 'log') return { label: label || null, nice: scale !== 'nines', ticks: 6 }
  const positive = values.filter((value) => value > 0 && Number.isFinite(value))
  if (positive.length === 0) return { label: label || null, domain: [0, 1], ticks: [] }
  const [least, most] = [Math.min(...positive), Math.max(...positive)]
  const ticks = logTicks(least, most)
  const domain = [Math.min(least, ticks[0]!), Math.max(most, ticks.at(-1)!)]
  return {
    label: label || null,
    domain: domain.map(Math.log10),
    ticks: ticks.map(Math.log10),
    tickFormat: (place: number) => briefly(10 ** place),
  }
}

/** 1, 2 and 5 of every power of ten from the one below the least to the one above the most; of many powers, 1. */
function logTicks(least: number, most: number): number[] {
  const powers: number[] = []
  const last = Math.ceil(Math.log10(most))
  for (let power = Math.floor(Math.log10(least)); power <= last; power += 1)
    powers.push(10 ** power)
  const steps = powers.length > MANY_POWERS ? [1] : [1, 2, 5]
  const all = powers.flatMap((power) => steps.map((step) => Number((power * step).toPrecision(1))))
  const from = all.findLastIndex((tick) => tick <= least)
  const to = all.findIndex((tick) => tick >= most)
  return all.slice(Math.max(0, from), to === -1 ? undefined : to + 1)
}

/** Of a percentile: 0 for 0, 1 for 90, 2 for 99. Powers are ours because Plot leaves out labels of its own. */
function placeOf(value: number, { scale }: Axis): number {
  if (scale === 'nines') return -Math.log10(1 - value / 100)
  return scale === 'log' ? Math.log10(value) : value
}

function nines(series: Chart['series']): Plot.ScaleOptions {
  const highest = Math.max(0, ...series.flatMap(({ points }) => points.map(([x]) => x)))
  const marked = [0, 50, 90, 99, 99.9, 99.99, 99.999]
  const ticks = marked.filter(
    (percentile, index) => highest > (marked[index - 1] ?? -1) || percentile === 0,
  )
  const labels = new Map(
    ticks.map((it) => [placeOf(it, { label: '', scale: 'nines' }), String(it)]),
  )
  const places = [...labels.keys()]
  const last = placeOf(highest, { label: '', scale: 'nines' })
  return {
    ticks: places.filter((place) => place <= last + 1e-9),
    tickFormat: (place: number) => labels.get(place) ?? '',
    domain: [0, Math.max(1, last)],
  }
}

export function briefly(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 })
}
