// Tells everybody that this runner is there: whenever its state or its slots change, once a second, when
// asked, and at its end. Hears whether another process announces itself under the same id.

import { hostname } from 'node:os'
import {
  ANNOUNCE_INTERVAL_MS,
  type Announcement,
  decodeAnnouncement,
  encodeAnnouncement,
  type FailureReason,
  isSameProcess,
  supersedes,
} from '../shared/announcement.js'
import type { Bus, BusMessage, BusSubscription } from '../shared/bus.js'
import { PROTOCOL_VERSION } from '../shared/frame.js'
import type { Subjects } from '../shared/subjects.js'

export interface AnnouncerOptions {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly functionName: string
  readonly loadTimeoutMs: number | null
  /** Read anew for every announcement: it changes with the connection. */
  readonly runnerId: () => string
  readonly version: string
  /** Read anew for every announcement of a runner that is ready. */
  readonly slots: () => number
  /** Read anew for every announcement. */
  readonly busyBy: () => Record<string, number>
  /** Another process that began later has our id. */
  readonly onSuperseded: (by: Announcement) => void
}

export class Announcer {
  readonly #options: AnnouncerOptions
  readonly #process = {
    host: hostname(),
    pid: process.pid,
    startedAt: new Date().toISOString(),
  }
  readonly #timer: NodeJS.Timeout
  readonly #discovers: BusSubscription
  #namesakes: BusSubscription
  #state: Announcement['state'] = 'loading'
  #reason: FailureReason | null = null

  /** Announces the runner as loading: its inbox must be open by now. */
  constructor(options: AnnouncerOptions) {
    const { bus, subjects } = options
    this.#options = options
    this.#timer = setInterval(() => this.announce(), ANNOUNCE_INTERVAL_MS)
    this.#discovers = bus.subscribe(subjects.discover, () => this.announce())
    this.#namesakes = this.#listen()
    this.announce()
  }

  announce(): void {
    const { bus, subjects, functionName, version, loadTimeoutMs } = this.#options
    const id = this.#options.runnerId()
    bus.publish(
      subjects.announce(functionName, id),
      encodeAnnouncement({
        protocol: PROTOCOL_VERSION,
        runner: id,
        function: functionName,
        version,
        state: this.#state,
        slots: this.#state === 'ready' ? this.#options.slots() : 0,
        busyBy: this.#options.busyBy(),
        ...this.#process,
        ...(this.#state === 'loading' ? { loadTimeoutMs } : {}),
        ...(this.#reason === null ? {} : { reason: this.#reason }),
      }),
    )
  }

  /** The runner has a new id. */
  renamed(): void {
    this.#namesakes.close()
    this.#namesakes = this.#listen()
    this.announce()
  }

  /** Takes calls from now on. */
  ready(): void {
    this.#state = 'ready'
    this.announce()
  }

  /** Finishes what it has and takes nothing more. */
  drain(): void {
    this.#state = 'draining'
    this.announce()
  }

  /** The last word. */
  fail(reason: FailureReason): void {
    this.#reason = reason
    this.#end('failed')
  }

  /** The last word. */
  gone(): void {
    this.#end('gone')
  }

  /** Ends without a word: the id is another's. */
  close(): void {
    clearInterval(this.#timer)
    this.#discovers.close()
    this.#namesakes.close()
  }

  #end(state: 'failed' | 'gone'): void {
    this.#state = state
    this.announce()
    this.close()
  }

  // What we publish ourselves does not come back to us: the connection has no echo.
  #listen(): BusSubscription {
    const { bus, subjects, runnerId } = this.#options
    return bus.subscribe(subjects.announcementsOf(runnerId()), (message) =>
      this.#onNamesake(message),
    )
  }

  #onNamesake(message: BusMessage): void {
    const other = decodeAnnouncement(message.payload)
    if (other === null || typeof other === 'number') return
    if (other.state === 'gone' || isSameProcess(other, this.#process)) return
    if (supersedes(other, this.#process)) this.#options.onSuperseded(other)
    // It may have begun before it could hear us.
    else this.announce()
  }
}
