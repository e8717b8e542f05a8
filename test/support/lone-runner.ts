// Runners in processes of their own that nobody starts again, to be told to stop, killed and frozen.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { type FunctionState, functionFile, type System } from './system.js'

const MAIN = fileURLToPath(new URL('../../runner/main.js', import.meta.url))

export interface LoneRunner {
  readonly pid: number
  /** Exit status or signal. */
  readonly ended: Promise<number | string>
  /** What it has written until now, to standard output and standard error. */
  output(): string
}

/** A runner of the function `sleeper` that is ready. */
export async function startSleeper(t: Test, system: System): Promise<LoneRunner> {
  const runner = start(t, system, 'sleeper', { TEST_MAX_INPUTS: '4' })
  await hasState(system, 'sleeper', runner, 'ready')
  return runner
}

/** A runner of the function `breaker`; ready, or broken before. */
export async function startBreaker(
  t: Test,
  system: System,
  environment: Record<string, string> = {},
): Promise<LoneRunner> {
  const runner = start(t, system, 'breaker', { CALLGATE_LOG_LEVEL: 'error', ...environment })
  if (environment.TEST_BREAK === undefined) await hasState(system, 'breaker', runner, 'ready')
  return runner
}

/** A runner of the function `loader` that loads until its file says otherwise. */
export async function startLoading(
  t: Test,
  system: System,
): Promise<LoneRunner & { readonly file: string }> {
  const file = join(tmpdir(), `callgate-loading-${process.pid}`)
  writeFileSync(file, 'wait')
  t.teardown(() => rmSync(file, { force: true }))
  const runner = start(t, system, 'loader', { TEST_LOAD: file })
  await hasState(system, 'loader', runner, 'loading')
  return { ...runner, file }
}

export async function nobodyServes(system: System, name: string): Promise<void> {
  await system.until(name, ({ runners }) => runners.length === 0)
}

export interface EventStream {
  /** All of it; throws when it is broken off. */
  rest(): Promise<string>
}

/** A stream of the sleeper's, or of a function like it, of which the first event has come. */
export async function startStream(
  system: System,
  ms: number,
  count: number,
  name = 'sleeper',
): Promise<EventStream> {
  const headers = { accept: 'text/event-stream' }
  const response = await system.post(`/${name}`, { ms, count }, { headers })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = (await reader.read()).value ?? ''
  return {
    async rest() {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return text
        text += value
      }
    },
  }
}

function start(
  t: Test,
  system: System,
  name: string,
  environment: Record<string, string>,
): LoneRunner {
  const child = spawn(process.execPath, [MAIN, functionFile(name)], {
    env: system.runnerEnvironment({ CALLGATE_DRAIN_MS: '20000', ...environment }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  // Not at its exit, when its last words may still be in the pipe.
  const ended = once(child, 'close').then(([code, signal]) => signal ?? code)
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { pid: child.pid!, ended, output: () => output }
}

async function hasState(
  system: System,
  name: string,
  { pid }: LoneRunner,
  state: string,
): Promise<void> {
  const isThere = ({ runners }: FunctionState) =>
    runners.some((runner) => runner.pid === pid && runner.state === state)
  await system.until(name, isThere)
}
