// Measures several subjects in alternating rounds (A B C A B C ...), so that a change of the
// machine's mood between the first minute and the last touches all of them alike. One at a time is
// under load; the others are up and idle.

import { setTimeout as delay } from 'node:timers/promises'
import type { LoadResult, Measurement } from './generators/load.js'
import { type ProcessUsage, processUsage } from './process-usage.js'
import { startProgress, tell } from './progress.js'
import { mergeErrors } from './report/errors.js'
import type { Subject } from './subjects/subject.js'
import type { Testbed } from './testbed.js'

export interface Round<M extends Measurement = LoadResult> {
  readonly isWarmup: boolean
  readonly load: M
  readonly processes: readonly ProcessCost[]
}

export interface ProcessCost {
  readonly name: string
  readonly cpuMs: number
  readonly cpuUsPerUnit: number
  /** Since the start of the process. */
  readonly peakRssBytes: number
}

export interface Plan<S extends Subject, M extends Measurement> {
  readonly rounds: number
  /** What is counted, in the plural. */
  readonly unit: string
  /** Throws if the subject does not answer as it should. */
  readonly check: (subject: S) => Promise<void>
  /** A warm-up may be shorter than a round. */
  readonly generate: (subject: S, isWarmup: boolean) => Promise<M>
}

// Callgate starts in half a second, LiteLLM in ten; a busy machine multiplies that.
const FIRST_ANSWER_TIMEOUT_MS = 120_000
const RETRY_MS = 100
const RATE_DIGITS = { maximumSignificantDigits: 3 }

/** Resolves with the rounds of each subject by its name, the warm-up first. */
export async function alternate<S extends Subject, M extends Measurement>(
  testbed: Testbed,
  subjects: readonly S[],
  plan: Plan<S, M>,
): Promise<Map<string, Round<M>[]>> {
  const results = new Map<string, Round<M>[]>()
  for (const subject of subjects) {
    await firstAnswer(testbed, subject, plan.check)
    results.set(subject.name, [])
  }
  const progress = startProgress((plan.rounds + 1) * subjects.length, '')
  try {
    for (let number = 0; number <= plan.rounds; number += 1) {
      const label = number === 0 ? 'warm-up' : `round ${number} of ${plan.rounds}`
      for (const [index, subject] of subjects.entries()) {
        progress.at(number * subjects.length + index, `${label}: ${subject.name}`)
        const round = await measure(testbed, subject, plan, number === 0)
        results.get(subject.name)!.push(round)
        const rate = (round.load.count / round.load.seconds).toLocaleString('en', RATE_DIGITS)
        tell(`${label}: ${subject.name} ${rate} ${plan.unit}/s`)
      }
    }
  } finally {
    progress.stop()
  }
  return results
}

/** The warm-up's too. */
export function sumErrors(rounds: readonly Round<Measurement>[]): Record<string, number> {
  return mergeErrors(rounds.map(({ load }) => load.errors))
}

async function measure<S extends Subject, M extends Measurement>(
  testbed: Testbed,
  subject: S,
  plan: Plan<S, M>,
  isWarmup: boolean,
): Promise<Round<M>> {
  await plan.check(subject)
  const before = await usageOf(subject)
  const load = await plan.generate(subject, isWarmup)
  await testbed.assertAlive()
  const after = await usageOf(subject)
  await testbed.forgetOutputs()
  const processes = subject.processes.map(({ name }, index) => {
    const cpuMs = after[index]!.cpuMs - before[index]!.cpuMs
    const cpuUsPerUnit = load.count === 0 ? 0 : (cpuMs * 1000) / load.count
    return { name, cpuMs, cpuUsPerUnit, peakRssBytes: after[index]!.peakRssBytes }
  })
  return { isWarmup, load, processes }
}

function usageOf(subject: Subject): Promise<ProcessUsage[]> {
  return Promise.all(subject.processes.map(({ pid }) => processUsage(pid)))
}

async function firstAnswer<S extends Subject>(
  testbed: Testbed,
  subject: S,
  check: (subject: S) => Promise<void>,
): Promise<void> {
  const deadline = Date.now() + FIRST_ANSWER_TIMEOUT_MS
  for (;;) {
    try {
      return await check(subject)
    } catch (error) {
      await testbed.assertAlive()
      if (Date.now() > deadline) {
        throw new Error(
          `${subject.name} gave no right answer in ${FIRST_ANSWER_TIMEOUT_MS / 1000} s: ` +
            `${reasonOf(error)}${await testbed.lastOutputs()}`,
        )
      }
    }
    await delay(RETRY_MS, undefined, { signal: testbed.signal })
  }
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message : String(cause)
}
