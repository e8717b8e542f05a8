// A dispatcher on a real nats-server, with what the tests of this folder ask of it.

import { pino } from 'pino'
import type { Test } from 'tap'
import type { CallHead } from '../../../gateway/dispatch/answer-handler.js'
import { Dispatcher, type DispatcherOptions } from '../../../gateway/dispatch/dispatcher.js'
import type { Invocation } from '../../../gateway/dispatch/invocation.js'
import type { Bus } from '../../../shared/bus.js'
import type { NatsBus } from '../../../shared/nats.js'
import { subjectsIn } from '../../../shared/subjects.js'
import { openTestBus, until } from '../../shared/test-bus.js'
import { startTestNats } from '../../support/nats.js'
import {
  type ScriptedRunner,
  type ScriptedRunnerOptions,
  startScriptedRunner,
} from '../../support/scripted-runner.js'
import { RecordedAnswer } from './recorded-answer.js'

export const CREDIT_BYTES = 8 * 1024 * 1024

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

export interface Call {
  readonly invocation: Invocation
  readonly answer: RecordedAnswer
}

export interface TestDispatcher {
  readonly url: string
  readonly bus: NatsBus
  readonly dispatcher: Dispatcher
  readonly logLines: LogLine[]
  call(changes?: Partial<CallHead>, body?: Uint8Array | null, hasMore?: boolean): Call
  /** Starts a runner and waits until the dispatcher knows it. */
  runner(options?: Partial<ScriptedRunnerOptions>): Promise<ScriptedRunner>
  /** Resolves when everything sent so far, by the dispatcher and these runners, has arrived. */
  settled(...runners: ScriptedRunner[]): Promise<void>
}

export async function startDispatcher(
  t: Test,
  options: Partial<Omit<DispatcherOptions, 'bus'>> & {
    /** Of a server that is there already; default: a new one. */
    readonly url?: string
    /** Where the dispatcher connects; default: to the server itself. */
    readonly dispatcherUrl?: string
    /** Puts something between the dispatcher and its bus. */
    readonly wrapBus?: (bus: Bus) => Bus
  } = {},
): Promise<TestDispatcher> {
  const { url: givenUrl, dispatcherUrl, wrapBus, ...rest } = options
  const url = givenUrl ?? (await startTestNats(t)).url
  const bus = await openTestBus(t, dispatcherUrl ?? url)
  const logLines: LogLine[] = []
  const dispatcher = new Dispatcher({
    bus: wrapBus?.(bus) ?? bus,
    subjects: subjectsIn('callgate'),
    log: pino(
      { level: 'trace' },
      { write: (line: string) => void logLines.push(JSON.parse(line)) },
    ),
    creditBytes: CREDIT_BYTES,
    maxQueued: 1_000,
    queueWaitMs: 30_000,
    retryBodyBytes: 64 * 1024,
    maxCalls: 100_000,
    maxCallsPerPrincipal: null,
    ...rest,
  })
  t.teardown(() => dispatcher.close())
  await bus.flush()
  let calls = 0
  return {
    url,
    bus,
    dispatcher,
    logLines,
    call(changes = {}, body = null, hasMore = false) {
      const answer = new RecordedAnswer()
      const head = { ...CALL_HEAD, callId: `call-${++calls}`, ...changes }
      const invocation = dispatcher.start(head, body, hasMore, answer)
      answer.invocation = invocation
      return { invocation, answer }
    },
    async runner(options = {}) {
      const runner = await startScriptedRunner(t, { url, ...options })
      if (options.isAnnounced ?? true) await knows(dispatcher, runner)
      return runner
    },
    async settled(...runners) {
      await new Promise((resolve) => setImmediate(resolve))
      await bus.flush()
      for (const runner of runners) await runner.connection.flush()
      await bus.flush()
    },
  }
}

/** Resolves when the dispatcher has heard of this runner. */
export async function knows(dispatcher: Dispatcher, runner: ScriptedRunner): Promise<void> {
  await until(() => statusOf(dispatcher, runner) !== undefined)
}

export function statusOf(dispatcher: Dispatcher, runner: ScriptedRunner) {
  return dispatcher.status(runner.functionName).runners.find(({ id }) => id === runner.id)
}

export const CALL_HEAD: CallHead = {
  functionName: 'echo',
  callId: 'call',
  timeoutMs: null,
  firstByteMs: null,
  idleMs: null,
  method: 'POST',
  url: '/echo',
  params: null,
  headers: [],
  principal: null,
  fairnessKey: '',
  weight: 1,
  priority: 0,
  affinityHash: null,
  isIdempotent: false,
  maxAttempts: 3,
}
