// What is up before the first round: a nats-server, the key and token of this load test, and the
// subjects, in the order in which they were asked for.

import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { issueAccessToken } from './access-token.js'
import type { CommonOptions } from './common-options.js'
import type { StartSubject, Subject } from './subjects/subject.js'
import type { Testbed } from './testbed.js'

export interface Stage {
  readonly subjects: readonly Subject[]
  /** Every subject gets the same bytes, whether it looks at the token or not. */
  readonly authorization: string
}

/** @param functions the examples that Callgate serves */
export async function setStage(
  testbed: Testbed,
  startByName: Readonly<Record<string, StartSubject>>,
  functions: readonly string[],
  { only, logLevel, cpuProf }: CommonOptions,
): Promise<Stage> {
  const { token, jwksFile } = await issueAccessToken(testbed.directory)
  const nats = await testbed.startNats()
  const profileDirectory = cpuProf && resolve(cpuProf)
  if (profileDirectory) await mkdir(profileDirectory, { recursive: true })
  const options = { nats, jwksFile, functions, logLevel, profileDirectory }
  const subjects: Subject[] = []
  for (const name of only) subjects.push(await startByName[name]!(testbed, options))
  return { subjects, authorization: `Bearer ${token}` }
}
