import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import t from 'tap'
import { type DefinedFunction, defineFunction } from '../../runner/define-function.js'
import { loadModel } from '../../runner/load-model.js'

const log = pino({ level: 'silent' })
const run = () => 1
const never = () => new Promise<never>(() => {})

const deafTo = (_signal: AbortSignal) => never()

t.test('what `load` returns is the model; without a `load` there is none', async (t) => {
  t.equal(await loadModel(defineFunction({ load: async () => 7, run }), log, 1_000).model, 7)
  t.equal(await loadModel(defineFunction({ run }), log, null).model, undefined)
})

const FAILING: Record<string, DefinedFunction> = {
  'throws at once': defineFunction({
    load: () => {
      throw new Error('no GPU')
    },
    run,
  }),
  rejects: defineFunction({ load: () => Promise.reject(new Error('no GPU')), run }),
  'throws a text': defineFunction({ load: () => Promise.reject('no GPU'), run }),
}
for (const [how, definition] of Object.entries(FAILING)) {
  t.test(`a \`load\` that ${how} is load_failed, with the reason`, async (t) => {
    await t.rejects(loadModel(definition, log, 1_000).model, {
      name: 'LoadError',
      code: 'load_failed',
      message: '`load` failed: no GPU',
    })
  })
}

t.test('a `load` that throws what has no text has failed, too', async (t) => {
  // Putting it into words threw, and the load never ended.
  const definition = defineFunction({ load: () => Promise.reject(Object.create(null)), run })
  await t.rejects(loadModel(definition, log, 60_000).model, { code: 'load_failed' })
})

t.test('a `load` that takes too long is told, and is load_timeout', async (t) => {
  let told: AbortSignal | undefined
  const definition = defineFunction({
    load: ({ signal }) => {
      told = signal
      return never()
    },
    run,
  })
  await t.rejects(loadModel(definition, log, 10).model, {
    code: 'load_timeout',
    message: /longer than 10 ms.*`loadTimeoutMs`/,
  })
  t.ok(told?.aborted)
})

t.test('stopping waits for a `load` that knows of it, and for no other', async (t) => {
  let isCleanedUp = false
  const heeding = defineFunction({
    load: async ({ signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      await delay(50)
      isCleanedUp = true
    },
    run,
  })
  const first = loadModel(heeding, log, null)
  await new Promise((resolve) => setImmediate(resolve))
  await first.stop(60_000)
  t.ok(isCleanedUp)

  await loadModel(defineFunction({ load: never, run }), log, null).stop(60_000)

  const deaf = defineFunction({ load: ({ signal }) => deafTo(signal), run })
  const third = loadModel(deaf, log, null)
  await new Promise((resolve) => setImmediate(resolve))
  await third.stop(20)
  t.pass('but not for ever')
})
