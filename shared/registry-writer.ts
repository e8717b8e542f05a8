// Writes to the registry that depend on what it says. NATS knows no transactions, but takes a write on the
// condition that nothing has been written since: one that comes too late is decided anew, on what the
// registry says by then. Those of one process wait for each other; against others, somebody always gets on.

import { setTimeout as delay } from 'node:timers/promises'
import { JetStreamApiCodes, JetStreamApiError, type JetStreamClient } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { headers } from '@nats-io/transport-node'
import { type Change, RegistryDraft } from './registry-draft.js'
import { RegistrySilence, SILENCE_MS } from './registry-silence.js'

/** Longest pause before another attempt, more with each: whoever has met does not meet again. */
const CONFLICT_PAUSE_MS = 10

export interface RegistryEntries {
  /** Text by key. */
  readonly entries: ReadonlyMap<string, string>
  /** Of the last write that is in it. */
  readonly sequence: number
}

/** Every entry as it stands now. Throws a RegistryUnavailable where they do not come. */
export async function readEntries(kv: KV, silenceMs = SILENCE_MS): Promise<RegistryEntries> {
  const entries = new Map<string, string>()
  const status = await kv.status()
  let sequence = status.streamInfo.state.last_seq
  // An empty bucket sends nothing at all.
  if (status.values === 0) return { entries, sequence }
  const watch = await kv.watch()
  const silence = new RegistrySilence(silenceMs, () => watch.stop())
  try {
    for await (const entry of watch) {
      silence.heard()
      sequence = Math.max(sequence, entry.revision)
      if (entry.operation === 'PUT') entries.set(entry.key, entry.string())
      else entries.delete(entry.key)
      if ((entry.delta ?? 0) === 0) return { entries, sequence }
    }
  } finally {
    silence.end()
  }
  // Emptied since, by somebody else, or cut off: half of it is not what stands there.
  throw RegistrySilence.fault()
}

export class RegistryWriter {
  readonly #kv: KV
  readonly #jetstream: JetStreamClient
  readonly #bucket: string
  #last: Promise<unknown> = Promise.resolve()

  constructor(kv: KV, jetstream: JetStreamClient, bucket: string) {
    this.#kv = kv
    this.#jetstream = jetstream
    this.#bucket = bucket
  }

  /**
   * Lets `edit` say what to change, and changes it. Resolves with what `edit` has returned; what it throws
   * is thrown, and nothing has changed then.
   * @param edit called again with what the registry says by then, when somebody else came before
   */
  write<T>(edit: (draft: RegistryDraft) => T | Promise<T>): Promise<T> {
    const written = this.#last.then(() => this.#write(edit))
    this.#last = written.catch(() => {})
    return written
  }

  async #write<T>(edit: (draft: RegistryDraft) => T | Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const { entries, sequence } = await readEntries(this.#kv)
      const draft = new RegistryDraft(entries)
      const result = await edit(draft)
      if (await this.#commit(draft.changes, sequence)) return result
      await delay(Math.random() * CONFLICT_PAUSE_MS * attempt)
    }
  }

  /** False when somebody else has written: the changes from there on have not been made. */
  async #commit(changes: readonly Change[], sequence: number): Promise<boolean> {
    let lastSequence = sequence
    for (const { key, text } of changes) {
      const subject = `$KV.${this.#bucket}.${key}`
      const mark = text === null ? { headers: deletion() } : {}
      try {
        const stored = await this.#jetstream.publish(subject, text ?? '', {
          ...mark,
          expect: { lastSequence },
        })
        lastSequence = stored.seq
      } catch (error) {
        if (isConflict(error)) return false
        throw error
      }
    }
    return true
  }
}

const CONFLICTS: readonly number[] = [
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
]

function isConflict(error: unknown): boolean {
  return error instanceof JetStreamApiError && CONFLICTS.includes(error.code)
}

/** As the buckets of NATS have it. */
function deletion() {
  const marked = headers()
  marked.set('KV-Operation', 'DEL')
  return marked
}
