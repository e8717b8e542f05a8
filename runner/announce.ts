// Tells everybody that this runner is there: when it is ready, once a second, when asked, and at its end.

import { hostname } from 'node:os'
import {
  ANNOUNCE_INTERVAL_MS,
  type Announcement,
  encodeAnnouncement,
} from '../shared/announcement.js'
import type { Bus } from '../shared/bus.js'
import { PROTOCOL_VERSION } from '../shared/frame.js'
import type { Subjects } from '../shared/subjects.js'

export interface AnnouncerOptions {
  readonly bus: Bus
  readonly subjects: Subjects
  /** Read anew for every announcement: it changes with the connection. */
  readonly runnerId: () => string
  readonly functionName: string
  readonly version: string
  /** Read anew for every announcement. */
  readonly load: () => { readonly slots: number; readonly busyBy: Record<string, number> }
}

export class Announcer {
  readonly #options: AnnouncerOptions
  readonly #startedAt = new Date().toISOString()
  readonly #timer: NodeJS.Timeout
  readonly #stop: () => void
  #state: Announcement['state'] = 'ready'

  /** Announces the runner as ready: its inbox must be open by now. */
  constructor(options: AnnouncerOptions) {
    const { bus, subjects } = options
    this.#options = options
    this.#timer = setInterval(() => this.announce(), ANNOUNCE_INTERVAL_MS)
    this.#stop = bus.subscribe(subjects.discover, () => this.announce())
    this.announce()
  }

  announce(): void {
    const { bus, subjects, runnerId, functionName, version, load } = this.#options
    const { slots, busyBy } = load()
    const id = runnerId()
    bus.publish(
      subjects.announce(functionName, id),
      encodeAnnouncement({
        protocol: PROTOCOL_VERSION,
        runner: id,
        function: functionName,
        version,
        state: this.#state,
        slots,
        busyBy,
        host: hostname(),
        pid: process.pid,
        startedAt: this.#startedAt,
      }),
    )
  }

  /** Finishes what it has and takes nothing more. */
  drain(): void {
    this.#state = 'draining'
    this.announce()
  }

  /** The last word. */
  close(): void {
    clearInterval(this.#timer)
    this.#state = 'gone'
    this.announce()
    this.#stop()
  }
}
