// The runners that are alive, by function, as their announcements tell it. Decides who is known, stale
// and forgotten; which runner gets a call is `pick-runner.ts`, and when is `dispatcher.ts`.

import type { Logger } from 'pino'
import {
  ANNOUNCE_INTERVAL_MS,
  decodeAnnouncement,
  FORGET_AFTER_MS,
  STALE_AFTER_MS,
} from '../../shared/announcement.js'
import type { Bus, BusMessage } from '../../shared/bus.js'
import { PROTOCOL_VERSION } from '../../shared/frame.js'
import type { Mailroom } from '../../shared/outbox.js'
import type { Subjects } from '../../shared/subjects.js'
import { RunnerLink, type RunnerLinkOwner } from './runner-link.js'

const NO_PAYLOAD = new Uint8Array(0)

export interface FleetOptions {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly mailroom: Mailroom
  readonly callerId: string
  readonly log: Logger
  readonly owner: RunnerLinkOwner
}

export class Fleet {
  readonly #options: FleetOptions
  readonly #byId = new Map<string, RunnerLink>()
  readonly #byFunction = new Map<string, RunnerLink[]>()
  /** Runners of another protocol version, each logged once. */
  readonly #foreign = new Set<string>()
  readonly #sweep: NodeJS.Timeout
  readonly #unsubscribe: () => void

  constructor(options: FleetOptions) {
    this.#options = options
    const { bus, subjects } = options
    this.#unsubscribe = bus.subscribe(subjects.announcements, (message) =>
      this.#onAnnouncement(message),
    )
    this.#sweep = setInterval(() => this.#onSweep(Date.now()), ANNOUNCE_INTERVAL_MS)
    this.discover()
  }

  /** Asks every runner to announce itself now. */
  discover(): void {
    this.#options.bus.publish(this.#options.subjects.discover, NO_PAYLOAD)
  }

  runner(id: string): RunnerLink | undefined {
    return this.#byId.get(id)
  }

  runnersOf(functionName: string): readonly RunnerLink[] {
    return this.#byFunction.get(functionName) ?? []
  }

  get runners(): Iterable<RunnerLink> {
    return this.#byId.values()
  }

  /** The server says that nobody hears this runner. */
  forget(runner: RunnerLink): void {
    this.#byId.delete(runner.id)
    const rest = this.runnersOf(runner.functionName).filter((other) => other !== runner)
    if (rest.length > 0) this.#byFunction.set(runner.functionName, rest)
    else this.#byFunction.delete(runner.functionName)
  }

  close(): void {
    clearInterval(this.#sweep)
    this.#unsubscribe()
  }

  #onAnnouncement(message: BusMessage): void {
    const announcement = decodeAnnouncement(message.payload)
    if (announcement === null) {
      this.#options.log.warn({ subject: message.subject }, 'announcement that cannot be read')
      return
    }
    if (typeof announcement === 'number') return this.#onForeign(message.subject, announcement)
    const { subjects } = this.#options
    // NATS permissions bound who may publish where; they say nothing of what is inside.
    if (message.subject !== subjects.announce(announcement.function, announcement.runner)) {
      this.#options.log.warn({ subject: message.subject }, 'announcement of somebody else: ignored')
      return
    }
    const known = this.#byId.get(announcement.runner)
    if (announcement.state === 'gone') {
      known?.onAnnouncement(announcement, Date.now())
      // What it had not received may go elsewhere: "no responders" to a ping tells how far it came.
      if (known !== undefined && known.inFlight > 0) known.ping()
      else if (known !== undefined) this.forget(known)
      return
    }
    if (known !== undefined) known.onAnnouncement(announcement, Date.now())
    this.#options.owner.onSlot(known ?? this.#add(announcement))
  }

  #add(announcement: ConstructorParameters<typeof RunnerLink>[3]): RunnerLink {
    const { subjects, callerId, mailroom, owner } = this.#options
    const outbox = mailroom.outbox(
      subjects.toRunner(announcement.runner, callerId),
      subjects.toCaller(callerId, announcement.runner),
      true,
    )
    const runner = new RunnerLink(owner, outbox, callerId, announcement, Date.now())
    this.#byId.set(runner.id, runner)
    this.#byFunction.set(runner.functionName, [...this.runnersOf(runner.functionName), runner])
    return runner
  }

  #onForeign(subject: string, protocol: number): void {
    if (this.#foreign.has(subject)) return
    // Bounded: a version that stays wrong is logged again when the set has been emptied.
    if (this.#foreign.size >= 1_000) this.#foreign.clear()
    this.#foreign.add(subject)
    this.#options.log.error(
      { subject, runnerProtocol: protocol, ourProtocol: PROTOCOL_VERSION },
      `a runner speaks protocol version ${protocol}, this process speaks ${PROTOCOL_VERSION}: it gets no calls until both are of one release`,
    )
  }

  #onSweep(nowMs: number): void {
    for (const runner of this.#byId.values()) {
      const silentMs = nowMs - runner.lastHeardMs
      if (silentMs > STALE_AFTER_MS) runner.markStale()
      if (runner.inFlight > 0) runner.ping()
      else if (silentMs > FORGET_AFTER_MS) this.forget(runner)
    }
  }
}
