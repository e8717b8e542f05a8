import pino from 'pino'
import t from 'tap'
import type { CallRecord } from '../../../gateway/call-record.js'
import { lineBytesAtMost, writeLine } from '../../../gateway/front/call-line.js'
import { CallLog } from '../../../gateway/front/call-log.js'

const RECORD: CallRecord = {
  callId: '4M9QtFO27Ijt1xkc',
  method: 'POST',
  path: '/echo',
  function: 'echo',
  subject: 'ann',
  status: 200,
  code: undefined,
  durationMs: 1.25,
  firstByteMs: undefined,
  requestBytes: 25,
  responseBytes: 31,
}

const TEXTS = [
  '',
  'a b',
  '"',
  '\\',
  '\n',
  '\u0000',
  '\u007f',
  'é🙂',

  '</script>',
  '[]!~#^',
]

t.test('the line is the one that pino would have made of it', (t) => {
  const records: CallRecord[] = [
    RECORD,
    { ...RECORD, code: 'not_found', function: undefined, subject: undefined, status: 404 },
    { ...RECORD, durationMs: 0, requestBytes: 2 ** 40 },
    { ...RECORD, durationMs: 12.3, firstByteMs: 0.07 },
    { ...RECORD, firstByteMs: 0 },
    { ...RECORD, durationMs: 0.05, requestBytes: 2 ** 31 - 1, responseBytes: 2 ** 31 },
    { ...RECORD, durationMs: 86_400_000_000.5, requestBytes: 0, responseBytes: 10 },
    { ...RECORD, durationMs: 1234567.89, path: `/${'p'.repeat(20_000)}` },
    { ...RECORD, path: `/${'é'.repeat(20_000)}` },
    ...TEXTS.map((text) => ({
      ...RECORD,
      method: text,
      path: text,
      function: text,
      subject: text,
    })),
  ]
  for (const record of records) {
    const line = byUs(record, 1_700_000_000_000)
    t.equal(line, byPino(record, 1_700_000_000_000), line)
  }
  t.end()
})

t.test('through a log of another kind, and for an internal error, pino writes it', (t) => {
  const lines: string[] = []
  const log = new CallLog(
    pino(
      { level: 'info', base: { region: 'x' } },
      { write: (line: string) => void lines.push(line) },
    ),
  )
  log.write(RECORD)
  log.write({ ...RECORD, code: 'internal', status: 500 })
  const [first, second] = lines.map((line) => JSON.parse(line))
  t.match(first, { level: 30, region: 'x', callId: RECORD.callId, msg: 'call' })
  t.match(second, { level: 50, region: 'x', code: 'internal', status: 500, msg: 'call' })
  t.end()
})

t.test('a log that leaves out such lines gets none', (t) => {
  const lines: string[] = []
  const log = new CallLog(
    pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
  )
  log.write(RECORD)
  t.same(lines, [])
  t.end()
})

function byUs(record: CallRecord, timeMs: number): string {
  const bytes = Buffer.alloc(lineBytesAtMost(record))
  return bytes.toString('utf8', 0, writeLine(bytes, 0, record, timeMs))
}

function byPino(record: CallRecord, timeMs: number): string {
  const lines: string[] = []
  const timestamp = () => `,"time":${timeMs}`
  pino({ base: {}, timestamp }, { write: (line: string) => void lines.push(line) }).info(
    record,
    'call',
  )
  return lines[0]!
}
