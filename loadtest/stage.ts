// What is up before the first round: a nats-server, the key and token of this load test, and the
// subjects, in the order in which they were asked for.

import { mkdir } from 'node:fs/promises'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { resolve } from 'node:path'
import { issueAccessToken } from './access-token.js'
import type { CommonOptions } from './common-options.js'
import type { StartSubject, Subject } from './subjects.js'
import type { Testbed } from './testbed.js'

export interface Stage {
  readonly subjects: readonly Subject[]
  /** Every subject gets the same bytes, whether it looks at the token or not. */
  readonly authorization: string
  /** What the numbers were taken on, in one line. */
  readonly machine: string
}

// Work of others takes its share of every number, of CPU time too, through caches and clocks.
const BUSY_LOAD_PER_CORE = 0.5

/** @param functions the examples that Callgate serves */
export async function setStage(
  testbed: Testbed,
  startByName: Readonly<Record<string, StartSubject>>,
  functions: readonly string[],
  { only, logLevel, cpuProf }: CommonOptions,
): Promise<Stage> {
  const loadBefore = loadavg()[0] ?? 0
  const { token, jwksFile } = await issueAccessToken(testbed.directory)
  const nats = await testbed.startNats()
  const profileDirectory = cpuProf && resolve(cpuProf)
  if (profileDirectory) await mkdir(profileDirectory, { recursive: true })
  const options = { nats, jwksFile, functions, logLevel, profileDirectory }
  const subjects: Subject[] = []
  for (const name of only) subjects.push(await startByName[name]!(testbed, options))
  const machine = machineLine(nats.version, loadBefore)
  return { subjects, authorization: `Bearer ${token}`, machine }
}

function machineLine(natsVersion: string, loadBefore: number): string {
  const cores = availableParallelism()
  const model = cpus()[0]?.model.trim() ?? process.arch
  const isBusy = loadBefore / cores > BUSY_LOAD_PER_CORE
  return (
    `${cores} cores (${model}), Node ${process.version}, nats-server ${natsVersion}, ` +
    `load average before: ${loadBefore.toFixed(1)}${isBusy ? ', TOO BUSY TO MEASURE' : ''}`
  )
}
