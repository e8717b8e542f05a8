// The runners that are alive, by function, as their announcements tell it. Decides who is known, stale
// and forgotten, and which of two has an id; which runner gets a call is `pick-runner.ts`, and when is
// `dispatcher.ts`. Every time in here is of `performance`: the clock of the day may step.

import { performance } from 'node:perf_hooks'
import { LRUCache } from 'lru-cache'
import type { Logger } from 'pino'
import {
  type Announcement,
  ASK_AFTER_MS,
  decodeAnnouncement,
  type FailureReason,
  FORGET_AFTER_MS,
  isSameProcess,
  STALE_AFTER_MS,
  supersedes,
} from '../../shared/announcement.js'
import type { Bus, BusMessage, BusSubscription } from '../../shared/bus.js'
import { PROTOCOL_VERSION } from '../../shared/frame.js'
import type { Mailroom } from '../../shared/outbox.js'
import type { Subjects } from '../../shared/subjects.js'
import { type LoadFailure, LoadFailures } from './load-failures.js'
import { RunnerLink, type RunnerLinkOwner, runnerLost } from './runner-link.js'

const NO_PAYLOAD = new Uint8Array(0)

/** A runner that has died with calls of ours is noticed after so long, and the server's answer. */
const SWEEP_INTERVAL_MS = 500
/** A runner says itself that its `load` takes too long, unless that blocks it. */
const LOAD_GRACE_MS = 1_000
/** Answers to a roll-call come within milliseconds, and in one go. */
const ROLL_CALL_QUIET_MS = 50
const ROLL_CALL_MS = 300
/** So often may an inbox be unknown to the server that goes on to be announced. */
const MAX_DEAF = 5
/** Of what is remembered of runners that are none: each is logged again when it was forgotten. */
const MAX_REMEMBERED = 1_000

export type FleetOwner = Pick<RunnerLinkOwner, 'nextId' | 'onSlot' | 'onHandlerError'> & {
  /** The function's calls have nothing to wait for: `whyNoneLoads` has become an answer. */
  onLoadFailed(functionName: string): void
}

export interface FleetOptions {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly mailroom: Mailroom
  readonly callerId: string
  readonly log: Logger
  readonly owner: FleetOwner
}

export class Fleet {
  readonly loadFailures = new LoadFailures()
  readonly #options: FleetOptions
  readonly #linkOwner: RunnerLinkOwner
  readonly #byId = new Map<string, RunnerLink>()
  readonly #byFunction = new Map<string, RunnerLink[]>()
  /** Complaints about announcements that were logged already. */
  readonly #told = new LRUCache<string, true>({ max: MAX_REMEMBERED })
  /** Ids whose inbox the server did not know, and how often. */
  readonly #deaf = new LRUCache<string, number>({ max: MAX_REMEMBERED })
  readonly #sweep: NodeJS.Timeout
  readonly #announcements: BusSubscription
  #lastId = 0
  #lastNewMs = 0
  #isClosed = false

  constructor(options: FleetOptions) {
    this.#options = options
    const { bus, subjects, owner } = options
    this.#linkOwner = {
      nextId: () => {
        this.#lastId = owner.nextId()
        return this.#lastId
      },
      onSlot: (runner) => owner.onSlot(runner),
      onHandlerError: (runner, error) => owner.onHandlerError(runner, error),
      onIsolated: (runner) => this.#onIsolated(runner),
      isForeign: (runner, id) => this.#isForeign(runner, id),
      canSpare: (runner) => this.#canSpare(runner),
    }
    this.#announcements = bus.subscribe(subjects.announcements, (message) =>
      this.#onAnnouncement(message),
    )
    this.#sweep = setInterval(() => this.#onSweep(performance.now()), SWEEP_INTERVAL_MS)
    this.discover()
  }

  /** Asks every runner to announce itself now. */
  discover(): void {
    this.#options.bus.publish(this.#options.subjects.discover, NO_PAYLOAD)
  }

  /** Resolves when the answers to the first `discover` have stopped coming, or soon. */
  async rollCall(): Promise<void> {
    const untilMs = performance.now() + ROLL_CALL_MS
    // The runners have been asked when the server has heard us; without a connection, nobody was.
    await Promise.race([this.#options.bus.flush().catch(() => {}), pause(ROLL_CALL_MS)])
    this.#lastNewMs = Math.max(this.#lastNewMs, performance.now())
    for (;;) {
      const quietMs = Math.min(this.#lastNewMs + ROLL_CALL_QUIET_MS, untilMs)
      const leftMs = quietMs - performance.now()
      if (leftMs <= 0 || this.#isClosed) return
      await pause(leftMs)
      // What has come while this process was busy, with its own start perhaps, is read before it counts as quiet.
      await new Promise((resolve) => setImmediate(resolve))
    }
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

  /**
   * Why no runner of this function is going to be ready soon; null where one is, where one was loading
   * already when the last one failed, or where none has failed.
   */
  whyNoneLoads(functionName: string): LoadFailure | null {
    const failure = this.loadFailures.of(functionName)
    if (failure === null) return null
    const failedMs = this.loadFailures.failedMs(functionName)
    const isHopeful = this.runnersOf(functionName).some(
      (runner) =>
        runner.announcement.state === 'ready' || (runner.isLoading && runner.sinceMs <= failedMs),
    )
    return isHopeful ? null : failure
  }

  /** The server says that nobody hears this runner. */
  onNobodyHears(runner: RunnerLink): void {
    this.#deaf.set(runner.id, (this.#deaf.get(runner.id) ?? 0) + 1)
    const { announcement, isLoading, lastHeardMs } = runner
    this.forget(runner)
    if (!isLoading) return
    // It has neither failed nor been stopped: it has crashed, or was killed. If the next one works by now,
    // that is no news any more.
    const nextWorks = this.runnersOf(runner.functionName).some(
      (other) => other.announcement.state === 'ready' && other.sinceMs > lastHeardMs,
    )
    if (!nextWorks) this.#onLoadFailed(announcement, DIED_LOADING)
  }

  forget(runner: RunnerLink): void {
    if (this.#byId.get(runner.id) !== runner) return
    this.#byId.delete(runner.id)
    runner.close()
    const { functionName } = runner
    const rest = this.runnersOf(functionName).filter((other) => other !== runner)
    if (rest.length > 0) this.#byFunction.set(functionName, rest)
    else this.#byFunction.delete(functionName)
    if (this.loadFailures.of(functionName) !== null) this.#options.owner.onLoadFailed(functionName)
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#sweep)
    for (const runner of this.#byId.values()) runner.close()
    this.#announcements.close()
  }

  #onAnnouncement(message: BusMessage): void {
    const { subject } = message
    const announcement = decodeAnnouncement(message.payload)
    if (announcement === null)
      return this.#onUnreadable(subject, 'an announcement that cannot be read')
    if (typeof announcement === 'number') return this.#onForeign(subject, announcement)
    // NATS permissions bound who may publish where; they say nothing of what is inside.
    if (subject !== this.#options.subjects.announce(announcement.function, announcement.runner)) {
      return this.#onUnreadable(subject, 'the announcement of somebody else')
    }
    const known = this.#byId.get(announcement.runner)
    if (known === undefined) this.#onNew(announcement)
    else if (!isSameProcess(known.announcement, announcement)) this.#onNamesake(known, announcement)
    else if (known.functionName !== announcement.function) {
      known.isolate(`it announces itself as ${announcement.function}, too`)
    } else this.#onKnown(known, announcement)
  }

  #onNew(announcement: Announcement): void {
    const { state, reason } = announcement
    if (state === 'gone') return
    if (state === 'failed') return this.#onLoadFailed(announcement, reason ?? NO_REASON)
    const nowMs = performance.now()
    this.#lastNewMs = nowMs
    if (state === 'ready') this.loadFailures.clear(announcement.function)
    else this.#doubtFailure(announcement)
    const runner = this.#add(announcement, nowMs)
    if ((this.#deaf.get(runner.id) ?? 0) >= MAX_DEAF) {
      runner.isolate('it announces itself, and nobody hears what is sent to it')
    }
    this.#options.owner.onSlot(runner)
  }

  #onKnown(known: RunnerLink, announcement: Announcement): void {
    const { state, reason } = announcement
    const wasReady = known.announcement.state === 'ready'
    known.onAnnouncement(announcement, performance.now())
    if (state === 'gone' || state === 'failed') {
      // What it had not received may go elsewhere: "no responders" to a ping tells how far it came.
      if (known.inFlight > 0) known.ping()
      else this.forget(known)
      if (state === 'failed') this.#onLoadFailed(announcement, reason ?? NO_REASON)
      return
    }
    if (state === 'ready' && !wasReady) this.loadFailures.clear(known.functionName)
    this.#options.owner.onSlot(known)
    if (state === 'draining' && wasReady && this.whyNoneLoads(known.functionName) !== null) {
      this.#options.owner.onLoadFailed(known.functionName)
    }
  }

  /** Another process under an id that we know. */
  #onNamesake(known: RunnerLink, announcement: Announcement): void {
    const isNewer = supersedes(announcement, known.announcement)
    const [winner, loser] = isNewer
      ? [announcement, known.announcement]
      : [known.announcement, announcement]
    this.#tellOnce(`namesake ${winner.runner} ${winner.pid} ${loser.pid}`, () =>
      this.#options.log.error(
        {
          runner: winner.runner,
          function: winner.function,
          host: winner.host,
          pid: winner.pid,
          ignored: { function: loser.function, host: loser.host, pid: loser.pid },
        },
        'two runners have one id: the one that started later keeps it',
      ),
    )
    if (!isNewer) return
    // Nobody knows which of the two has what we have sent.
    this.forget(known)
    known.onLost(runnerLost())
    this.#onNew(announcement)
  }

  #add(announcement: Announcement, nowMs: number): RunnerLink {
    const { subjects, callerId, mailroom } = this.#options
    const outbox = mailroom.outbox(
      subjects.toRunner(announcement.runner, callerId),
      subjects.toCaller(callerId, announcement.runner),
      true,
    )
    const runner = new RunnerLink(this.#linkOwner, outbox, callerId, announcement, nowMs)
    this.#byId.set(runner.id, runner)
    this.#byFunction.set(runner.functionName, [...this.runnersOf(runner.functionName), runner])
    return runner
  }

  // ---- runners that cannot load -----------------------------------------------------------------------

  #onLoadFailed(announcement: Announcement, reason: FailureReason): void {
    const isNew = this.loadFailures.add(announcement, reason, performance.now())
    const { runner, function: functionName, host, pid } = announcement
    // It is started again and again: each failure is a line only where it says something new.
    this.#options.log[isNew ? 'error' : 'debug'](
      { runner, function: functionName, host, pid, code: reason.code },
      `a runner could not load its function: ${reason.message}`,
    )
    this.#options.owner.onLoadFailed(functionName)
  }

  /** A runner that we took for dead as it loaded had only lost its connection. */
  #doubtFailure(announcement: Announcement): void {
    const failure = this.loadFailures.of(announcement.function)
    if (failure?.message !== DIED_LOADING.message || !isSameProcess(failure, announcement)) return
    this.loadFailures.clear(announcement.function)
  }

  // ---- runners that cannot be trusted -----------------------------------------------------------------

  #onIsolated(runner: RunnerLink): void {
    const { id, functionName, isolationReason, isolationMs } = runner
    const { host, pid } = runner.announcement
    this.#options.log.error(
      { runner: id, function: functionName, host, pid, isolatedMs: isolationMs },
      `runner isolated: ${isolationReason}. It gets no calls for ${isolationMs / 1_000} s after the last time.`,
    )
  }

  #onUnreadable(subject: string, what: string): void {
    const known = this.#byId.get(this.#options.subjects.announcer(subject))
    if (known !== undefined) return known.isolate(`it sent ${what}`)
    this.#tellOnce(`unreadable ${subject}`, () =>
      this.#options.log.warn({ subject }, `${what} was published: ignored`),
    )
  }

  #onForeign(subject: string, protocol: number): void {
    this.#tellOnce(`foreign ${subject}`, () =>
      this.#options.log.error(
        { subject, runnerProtocol: protocol, ourProtocol: PROTOCOL_VERSION },
        `a runner speaks protocol version ${protocol}, this process speaks ${PROTOCOL_VERSION}: it gets no calls until both are of one release`,
      ),
    )
  }

  #tellOnce(key: string, tell: () => void): void {
    if (this.#told.has(key)) return
    this.#told.set(key, true)
    tell()
  }

  // An id is given to one runner, once.
  #isForeign(runner: RunnerLink, id: number): boolean {
    if (id > this.#lastId) return true
    for (const other of this.#byId.values()) if (other !== runner && other.holds(id)) return true
    return false
  }

  /** Calls that are slow everywhere are no runner's fault: half of them stay, whatever happens. */
  #canSpare(runner: RunnerLink): boolean {
    let isolated = 0
    let healthy = 0
    for (const other of this.runnersOf(runner.functionName)) {
      if (other.state === 'isolated') isolated++
      else if (other.state === 'ready' && other !== runner) healthy++
    }
    return healthy > isolated
  }

  #onSweep(nowMs: number): void {
    for (const runner of this.#byId.values()) {
      const silentMs = nowMs - runner.lastHeardMs
      if (silentMs > STALE_AFTER_MS) runner.markStale()
      runner.endIsolationIfOver(nowMs)
      if (runner.isLoadOverdue(nowMs, LOAD_GRACE_MS)) this.#onLoadOverdue(runner)
      if (runner.inFlight > 0 || silentMs > ASK_AFTER_MS) runner.ping()
      // A `load` may block its process for as long as it may take.
      if (silentMs > FORGET_AFTER_MS && runner.inFlight === 0 && !runner.isLoading) {
        this.forget(runner)
      }
    }
  }

  #onLoadOverdue(runner: RunnerLink): void {
    const { announcement } = runner
    runner.markLoadTimedOut()
    this.#onLoadFailed(announcement, {
      code: 'load_timeout',
      message: `\`load\` took longer than ${announcement.loadTimeoutMs} ms, and seems to block its process.`,
    })
  }
}

const NO_REASON: FailureReason = { code: 'load_failed', message: 'The runner gave no reason.' }
const DIED_LOADING: FailureReason = {
  code: 'load_failed',
  message: 'The process died as it loaded; the log of what started it may say how.',
}

function pause(ms: number): Promise<void> {
  // No reason for a process to stay.
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
