// What is up before the first round: a nats-server, the key and token of this load test, and the
// subjects, in the order in which they were asked for.

import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { issueAccessToken } from './access-token.js'
import type { CommonOptions } from './common-options.js'
import { howToGet, missingPeers } from './peer-packages.js'
import type { StartSubject, Subject } from './subjects/subject.js'
import type { Testbed } from './testbed.js'

export interface Stage {
  readonly subjects: readonly Subject[]
  /** Every subject gets the same bytes, whether it looks at the token or not. */
  readonly authorization: string
}

/** @param functions see `SubjectOptions` */
export async function setStage(
  testbed: Testbed,
  startByName: Readonly<Record<string, StartSubject>>,
  functions: readonly string[],
  { only, logLevel, cpuProf }: CommonOptions,
): Promise<Stage> {
  const names = await present(Object.keys(startByName), only)
  const { token, jwksFile } = await issueAccessToken(testbed.directory)
  const nats = await testbed.startNats()
  const profileDirectory = cpuProf && resolve(cpuProf)
  if (profileDirectory) await mkdir(profileDirectory, { recursive: true })
  const options = { nats, jwksFile, functions, logLevel, profileDirectory }
  const subjects: Subject[] = []
  for (const name of names) subjects.push(await startByName[name]!(testbed, options))
  return { subjects, authorization: `Bearer ${token}` }
}

/** Those that are asked for, all of which must be there; or else all that are there. */
async function present(all: readonly string[], only = all): Promise<readonly string[]> {
  const missing = await missingPeers(only)
  if (missing.length === 0) return only
  if (only !== all) throw new Error(`Not installed; ${howToGet(missing)}`)
  console.error(`left out; ${howToGet(missing)}`)
  return all.filter((name) => !missing.includes(name))
}
