import type { Result } from '../../../loadtest/report/result.js'

export const RESULT: Result = {
  scenario: 'unary',
  title: 'small calls',
  machine: '2 cores',
  commit: 'commit a128e81',
  others: 'CPU in use before: 3%',
  command: 'npm run loadtest -- unary',
  startedAt: '2026-11-22T20:00:00.000Z',
  tables: [
    { columns: ['subject', 'calls/s'], rows: [['callgate', '9']] },
    { title: 'Ratios', columns: ['ratio', 'value'], rows: [['a ÷ b', '6.25']] },
  ],
  charts: [],
  targets: [{ name: 'p99', unit: 'ms', comparison: 'at most', target: 50, value: 8.123 }],
  notes: ['A note.'],
  errors: { 'wrong body': 2, 'not 2xx': 0 },
  data: {},
}
