import { parseHTML } from 'linkedom'
import { test } from 'tap'
import { reportPage } from '../../../loadtest/report/page.js'
import type { Chart, Result } from '../../../loadtest/report/result.js'
import { RESULT } from './sample-result.js'

const LINES: Chart = {
  title: 'time of a call',
  kind: 'line',
  x: { label: 'percentile', scale: 'nines' },
  y: { label: 'ms', scale: 'log' },
  series: [
    { name: 'callgate', points: [[50, 1.5], [99, 7.25]] }, // biome-ignore format: pairs
    { name: 'other', points: [[50, 3]] },
  ],
}

const BARS: Chart = {
  title: 'CPU time per call',
  kind: 'bar',
  x: { label: '', categories: ['callgate', 'other'] },
  y: { label: 'µs' },
  series: [
    { name: 'gateway', points: [[0, 10]] },
    { name: 'runner', points: [[0, 5], [1, 20]] }, // biome-ignore format: pairs
  ],
}

function pageOf(...results: readonly Result[]) {
  const text = reportPage({ results, missing: [] })
  return { text, document: parseHTML(text).document }
}

test('a page has all that a result has to tell', (t) => {
  const { document } = pageOf({ ...RESULT, charts: [LINES, BARS] })
  const text = document.body.textContent.replace(/\s+/g, ' ')
  const told = ['2 cores', 'commit a128e81', '2026-11-22 20:00 UTC', 'CPU in use before: 3%']
  for (const part of [...told, 'npm run loadtest -- unary', 'A note.', '2 wrong body']) {
    t.ok(text.includes(part), part)
  }
  t.match(text, /1 scenario: 1 of 1 target met, 2 errors/)
  t.match(text, /p99 ?at most 50 ms ?8.12 ms ?met/)
  t.match(text, /subject ?calls\/s ?callgate ?9/)
  t.end()
})

test('each chart is a drawing with its figures in a table', (t) => {
  const { document } = pageOf({ ...RESULT, charts: [LINES, BARS] })
  const figures = [...document.querySelectorAll('figure')]
  t.equal(figures.length, 2)
  const cells = figures.map((figure) =>
    [...figure.querySelectorAll('tbody tr')].map((row) =>
      [...row.querySelectorAll('td')].map((cell) => cell.textContent),
    ),
  )
  t.same(cells, [
    [
      ['50', '1.5', '3'],
      ['99', '7.25', ''],
    ],
    [
      ['callgate', '10', '5'],
      ['other', '', '20'],
    ],
  ])
  t.equal(document.querySelectorAll('figure > svg [stroke^="var(--series"]').length, 2)
  t.end()
})

test('what is told is no HTML', (t) => {
  const evil = '</script><script>alert(1)</script>&"'
  const { document } = pageOf({
    ...RESULT,
    title: evil,
    notes: [evil],
    command: evil,
    errors: { [evil]: 1 },
    tables: [{ title: evil, columns: [evil], rows: [[evil]] }],
    charts: [{ ...LINES, title: evil, series: [{ name: evil, points: [[50, 1]] }] }],
  })
  t.equal(document.querySelectorAll('script').length, 0)
  t.ok(document.querySelector('section')!.textContent.includes(evil))
  t.end()
})

test('a page needs no script and no network', (t) => {
  const { text, document } = pageOf({ ...RESULT, charts: [LINES, BARS] })
  t.same([...document.querySelectorAll('script, link, img, iframe')], [])
  t.notMatch(text, /url\(|@import/)
  t.end()
})

test('what was not measured and what was missed is said at the top', (t) => {
  const missed = { ...RESULT.targets[0]!, value: null }
  const missing = [{ command: 'npm run loadtest -- soak', reason: 'exit code 1' }]
  const { document } = parseHTML(
    reportPage({
      results: [
        { ...RESULT, others: 'CPU in use before: 99%, TOO BUSY TO MEASURE', targets: [missed] },
      ],
      missing,
    }),
  )
  const top = document.querySelector('header')!.textContent.replace(/\s+/g, ' ')
  t.match(top, /0 of 1 target met/)
  t.match(top, /nothing ?missed/)
  t.match(top, /too busy to measure: unary/)
  t.match(top, /Not measured: npm run loadtest -- soak \(exit code 1\)/)
  t.end()
})

test('a scenario that is there twice has two places to link to', (t) => {
  const { document } = pageOf(RESULT, { ...RESULT })
  const ids = [...document.querySelectorAll('section')].map(({ id }) => id)
  t.equal(new Set(ids).size, 2)
  for (const id of ids) t.ok(document.querySelector(`header a[href="#${id}"]`))
  t.end()
})

test('a chart with nothing in it is drawn without a fault', (t) => {
  const nothing = { ...LINES, series: [{ name: 'callgate', points: [] }] }
  const { document } = pageOf({ ...RESULT, charts: [nothing, { ...BARS, series: [] }] })
  t.equal(document.querySelectorAll('figure > svg').length, 2)
  t.notMatch(document.body.innerHTML, /NaN|Infinity/)
  t.end()
})
