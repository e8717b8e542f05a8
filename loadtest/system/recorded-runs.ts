// What the function `record` has written: which calls have run, where, and whether to their end.

import { readFile } from 'node:fs/promises'

export interface RecordedRun {
  readonly pid: number
  readonly hasEnded: boolean
}

export interface RecordedRuns {
  /** By the id that the client gave. */
  readonly runs: ReadonlyMap<string, RecordedRun>
  /** Ids of calls that have begun more than once. */
  readonly twice: readonly string[]
}

export async function readRecordedRuns(file: string): Promise<RecordedRuns> {
  const runs = new Map<string, RecordedRun>()
  const twice: string[] = []
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  for (const line of lines) {
    const [mark = '', id = '', pid] = line.split(' ')
    if (mark === 'begin' && runs.has(id)) twice.push(id)
    if (mark !== '') runs.set(id, { pid: Number(pid), hasEnded: mark === 'end' })
  }
  return { runs, twice }
}
