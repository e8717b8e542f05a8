// What is compared. A start function starts a subject's processes as its user would; the testbed ends
// them, and rounds.ts waits for the first right answer.

import type { Nats, Testbed } from '../testbed.js'

export interface Subject {
  readonly name: string
  /** Where it listens, without a path. */
  readonly origin: string
  /** The processes whose use of CPU time and memory is its cost. */
  readonly processes: readonly SubjectProcess[]
  /** Where it cannot be asked what the others are asked. */
  readonly ownCall?: OwnCall
}

/** A call in a protocol that a subject insists on. */
export interface OwnCall {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** What the right answer holds. */
  readonly answerPart: string
}

export interface SubjectProcess {
  readonly name: string
  readonly pid: number
}

export interface SubjectOptions {
  readonly nats: Nats
  readonly jwksFile: string
  /** The examples that Callgate serves, each by a runner of its own; what stands there twice has two. */
  readonly functions: readonly string[]
  /** Of Callgate's gateway and runner; their own default if absent. */
  readonly logLevel?: string | undefined
  /** Where Callgate's gateway and runner leave CPU profiles; none if absent. */
  readonly profileDirectory?: string | undefined
}

export type StartSubject = (testbed: Testbed, options: SubjectOptions) => Promise<Subject>
