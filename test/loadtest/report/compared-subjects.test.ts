import { test } from 'tap'
import {
  comparison,
  cpuUsPerUnit,
  ratiosBetween,
  subjectReport,
} from '../../../loadtest/report/compared-subjects.js'
import { errorCount } from '../../../loadtest/report/errors.js'
import type { Round } from '../../../loadtest/rounds.js'

const TERMS = { unit: 'call', units: 'calls', errors: 'errors' }

function round(calls: number, cpuMs: number, options: Partial<Round> = {}): Round {
  const cost = (name: string, ms: number) => ({
    name,
    cpuMs: ms,
    cpuUsPerUnit: (ms * 1000) / calls,
    peakRssBytes: 64 * 1024 ** 2,
  })
  return {
    isWarmup: false,
    load: {
      count: calls,
      seconds: 2,
      p50Ms: calls / 1000,
      p99Ms: calls / 100,
      latency: [],
      counts: [],
      errors: { 'not 2xx': 0 },
    },
    processes: [cost('front', cpuMs), cost('back', cpuMs / 2)],
    ...options,
  }
}

test('medians leave out the warm-up and a round that was disturbed', (t) => {
  const rounds = [
    round(1, 1000, { isWarmup: true }),
    round(1000, 10),
    round(20, 400),
    round(1200, 12),
  ]
  const subject = subjectReport('it', rounds)
  t.equal(subject.perSecond, 500)
  t.equal(subject.p50Ms, 1)
  t.equal(subject.p99Ms, 10)
  t.equal(cpuUsPerUnit(subject), 15)
  t.equal(subject.peakRssBytes, 128 * 1024 ** 2)
  t.end()
})

test('an even number of rounds has its median in the middle of two', (t) => {
  t.equal(subjectReport('it', [round(100, 1), round(200, 1)]).perSecond, 75)
  t.end()
})

test('an error in the warm-up counts too, and the table says what it was', (t) => {
  const load = { ...round(1, 1).load, errors: { 'no answer in time': 3 } }
  const rounds = [round(100, 1, { isWarmup: true, load }), round(100, 1, { load })]
  const { errors, tables } = comparison([subjectReport('it', rounds)], TERMS, [])
  t.equal(errorCount(errors), 6)
  t.equal(tables[0]!.rows[0]![4], '6 no answer in time')
  t.end()
})

test('a subject that has answered nothing has no CPU time per call', (t) => {
  const { load: whole } = round(1, 1)
  const load = { ...whole, count: 0, errors: { 'no answer in time': 3 } }
  const { tables } = comparison([subjectReport('it', [round(100, 1, { load })])], TERMS, [])
  t.equal(tables[0]!.rows[0]![5], '-')
  t.end()
})

test('a scenario names its own figures', (t) => {
  const terms = { unit: 'token', units: 'tokens', latency: 'first token', errors: 'missing' }
  const { tables } = comparison([subjectReport('it', [round(10_000, 100)])], terms, [])
  t.same(tables[0]!.columns, [
    ...['subject', 'tokens/s', 'first token p50 ms', 'first token p99 ms', 'missing'],
    ...['CPU µs per token', 'peak MiB'],
  ])
  t.end()
})

test('the tables', (t) => {
  const subjects = [
    subjectReport('it', [round(10_000, 100)]),
    subjectReport('other', [round(20_000, 100)]),
  ]
  const { tables } = comparison(subjects, TERMS, ratiosBetween(subjects, 'other', 'it', TERMS))
  t.same(
    tables.map(({ rows }) => rows),
    [
      [
        ['it', '5,000', '10.00', '100.00', '0', 'front 10.0 + back 5.0 = 15.0', '128'],
        ['other', '10,000', '20.00', '200.00', '0', 'front 5.0 + back 2.5 = 7.5', '128'],
      ],
      [
        ['other calls/s ÷ it calls/s', '2.00'],
        ['other CPU per call ÷ it CPU per call', '0.50'],
      ],
    ],
  )
  t.end()
})
