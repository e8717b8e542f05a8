import t from 'tap'
import { folderWith } from '../support/folder.js'
import { startTestNats } from '../support/nats.js'
import { Command, runCommand, startCommand } from './command.js'

// One function that does what its input says.
const ANY = `
  import { once } from 'node:events'
  import { defineFunction, PublicError } from 'callgate'

  async function* count(to, signal) {
    for (let n = 1; n <= to; n++) yield n
    if (to > 1000) return
    yield 'waiting'
    if (!signal.aborted) await once(signal, 'abort')
    console.log('signal: ' + signal.reason.code)
  }

  export default defineFunction({
    maxInputs: 10,
    run: (input, { signal }) => {
      if (input?.count) return count(input.count, signal)
      if (input === 'refuse') {
        throw new PublicError('invalid_input', 'No.', { issues: [{ path: ['a', 0], message: 'odd' }] })
      }
      if (input !== 'values') return input
      return { big: 2n ** 63n, small: 7n, bytes: new Uint8Array([1, 2, 255]), at: new Date(0) }
    },
  })`

t.test('callgate call', async (t) => {
  const { url } = await startTestNats(t)
  const folder = folderWith(t, { 'any.js': ANY })
  const options = { cwd: folder, env: { CALLGATE_NATS_URL: url } }
  const runner = startCommand(t, ['runner', 'any.js'], options)
  const call = (args: string[], stdin?: string) =>
    runCommand(['call', ...args], { ...options, ...(stdin === undefined ? {} : { stdin }) })
  t.jobs = 2

  t.test(
    'a value is one JSON document, from the command line or from standard input',
    async (t) => {
      const input = '{"a":["ä",1.5,null]}'
      t.same(await call(['any', input]), { status: 0, stdout: `${input}\n`, stderr: '' })
      t.same(await call(['any', '-'], input), { status: 0, stdout: `${input}\n`, stderr: '' })
    },
  )

  t.test('what JSON has no form for is printed all the same', async (t) => {
    const { stdout } = await call(['any', '"values"'])
    t.same(JSON.parse(stdout), {
      ...{ big: '9223372036854775808', small: 7, bytes: 'AQL/' },
      at: '1970-01-01T00:00:00.000Z',
    })
  })

  t.test('no input and no value are nothing', async (t) => {
    t.same(await call(['any']), { status: 0, stdout: '', stderr: '' })
  })

  t.test('a stream is printed as it comes, and Ctrl-C cancels it', async (t) => {
    const command = new Command(['call', 'any', '{"count":2}'], options)
    await command.printed(/^1\n2\n"waiting"\n$/)
    command.kill('SIGINT')
    t.equal(await command.ended, 130)
    t.equal(command.stderr, '')
    await runner.printed(/signal: cancelled/)
  })

  t.test('a reader that has seen enough ends the call', async (t) => {
    const command = new Command(['call', 'any', '{"count":100000}'], options)
    await command.printed(/^1\n/)
    command.child.stdout!.destroy()
    t.equal(await command.ended, 143)
    t.equal(command.stderr, '')
  })

  t.test('an error is its code and its sentence, and status 1', async (t) => {
    const { status, stdout, stderr } = await call(['any', '"refuse"'])
    t.same({ status, stdout }, { status: 1, stdout: '' })
    t.equal(stderr, 'callgate: invalid_input: No.\n  a.0: odd\n')
  })

  t.test('a call that takes too long, and a function that nobody runs', async (t) => {
    const late = await call(['any', '{"count":1}', '--timeout-ms', '100'])
    t.match(late, { status: 1, stderr: /^callgate: timed_out: .*\n$/ })
    const nobody = await call(['nobody', '--queue-wait-ms', '50'])
    t.match(nobody, {
      status: 1,
      stderr: /^callgate: no_capacity: No runner of this function .*\n$/,
    })
    const noName = await call(['No Such'])
    t.match(noName, {
      status: 1,
      stderr: /^callgate: not_found: "No Such" is not a function's name\.\n$/,
    })
  })

  t.test('what is no JSON, no number, no NATS is one sentence', async (t) => {
    t.match(await call(['any', '{']), {
      status: 2,
      stderr: /^callgate: The input is not JSON: .*\n$/,
    })
    t.match(await call(['any', '--timeout-ms', 'soon']), { status: 2, stderr: /--timeout-ms: / })
    t.match(await call(['any', '--nats-url', 'nats://127.0.0.1:1']), {
      status: 1,
      stderr:
        /^callgate: NATS does not answer at nats:\/\/127\.0\.0\.1:1 \(.*\)\. Start nats-server.*\n$/,
    })
  })
})
