// Does to the system what happens to systems, at random and one thing after the other until each was
// done, then in another order. The first gateway is spared: its counters and its memory tell of the whole
// run.

import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../random.js'
import type { System } from '../system/system.js'
import type { Disturbance, Disturbances } from './disturbances.js'

export interface ChaosOptions {
  readonly system: System
  readonly random: Random
  readonly disturbances: Disturbances
  /** Functions whose runners it may take. */
  readonly functionNames: readonly string[]
  /** Between two things, on average. */
  readonly everyMs: number
}

/** A gateway that starts while there is no NATS ends; whatever keeps it alive tries again. */
const START_ATTEMPTS = 30
const START_PAUSE_MS = 500
/** Longer than it drains. */
const DRAIN_GRACE_MS = 60_000

const ACTIONS: Readonly<Record<Disturbance, (options: ChaosOptions) => Promise<void>>> = {
  'runner killed': killRunner,
  'runner stopped': stopRunner,
  'gateway restarted': restartGateway,
  'gateway killed': killGateway,
  'nats-server killed': killNats,
}

/** Resolves when the signal aborts, with everything up again. */
export async function makeChaos(options: ChaosOptions, signal: AbortSignal): Promise<void> {
  const { random, disturbances, everyMs } = options
  const running = new Map<string, Promise<void>>()
  while (!signal.aborted) {
    for (const kind of random.shuffled(Object.keys(ACTIONS) as Disturbance[])) {
      const waitMs = random.between(everyMs / 2, everyMs * 1.5)
      await delay(waitMs, undefined, { signal }).catch(() => {})
      if (signal.aborted) break
      // What happens to one part is over before the next happens to it; other parts have no such luck.
      const part = kind.split(' ')[0]!
      await running.get(part)
      const end = disturbances.begin(kind)
      const action = ACTIONS[kind](options).finally(end)
      // Told when it is awaited, here or at the end.
      action.catch(() => {})
      running.set(part, action)
    }
  }
  await Promise.all(running.values())
}

async function killRunner(options: ChaosOptions): Promise<void> {
  const pid = await someRunner(options)
  if (pid !== undefined) process.kill(pid, 'SIGKILL')
}

async function stopRunner(options: ChaosOptions): Promise<void> {
  const pid = await someRunner(options)
  if (pid === undefined) return
  process.kill(pid, 'SIGSTOP')
  await delay(options.random.between(1_000, 4_000))
  process.kill(pid, 'SIGCONT')
}

async function someRunner({ system, random, functionNames }: ChaosOptions) {
  const runners = await system.runnerProcesses(random.pick(functionNames))
  return runners.length === 0 ? undefined : random.pick(runners).pid
}

async function restartGateway({ system }: ChaosOptions): Promise<void> {
  await system.gateways.at(-1)!.child.stop(DRAIN_GRACE_MS)
  await startGatewayAgain(system)
}

async function killGateway({ system, random }: ChaosOptions): Promise<void> {
  await system.gateways.at(-1)!.child.kill()
  await delay(random.between(100, 1_000))
  await startGatewayAgain(system)
}

async function startGatewayAgain(system: System): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await system.gateways.at(-1)!.start()
      return
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error
      await delay(START_PAUSE_MS)
    }
  }
}

async function killNats({ system, random }: ChaosOptions): Promise<void> {
  await system.killNats()
  await delay(random.between(1_000, 3_000))
  await system.startNatsAgain()
}
