// A runner that does only what a test tells it to, frame by frame, over its own NATS connection. It
// knows the codec and the subjects and nothing of the runner's code, so that a test can also break the
// protocol. Ends with its test.

import { connect, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import type { Test } from 'tap'
import { type Announcement, encodeAnnouncement } from '../../shared/announcement.js'
import { decodeFrames, encodeFrame } from '../../shared/codec.js'
import type { Frame } from '../../shared/frame.js'
import { newPeerId, type Subjects, subjectsIn } from '../../shared/subjects.js'

export interface ScriptedRunnerOptions {
  readonly url: string
  readonly id?: string
  /** Default: `echo`. */
  readonly functionName?: string
  /** Default: `main`. */
  readonly version?: string
  /** Default: 1. */
  readonly slots?: number
  /** False: it is not announced before the test says so. Default: true. */
  readonly isAnnounced?: boolean
}

export interface Received<F extends Frame = Frame> {
  readonly frame: F
  readonly caller: string
  /** Counts the messages that this runner has received; frames of one message share it. */
  readonly message: number
  readonly replyTo: string
}

type FrameType = Frame[0]
type FrameOf<T extends FrameType> = Extract<Frame, { readonly 0: T }>

interface Waiter {
  readonly types: readonly FrameType[]
  resolve(received: Received): void
}

export async function startScriptedRunner(
  t: Test,
  options: ScriptedRunnerOptions,
): Promise<ScriptedRunner> {
  const connection = await connect({
    servers: options.url,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 20,
    reconnectJitter: 0,
  })
  t.teardown(() => connection.close())
  const runner = new ScriptedRunner(connection, options)
  await runner.hear()
  if (options.isAnnounced ?? true) await runner.announce()
  return runner
}

export class ScriptedRunner {
  readonly id: string
  readonly functionName: string
  readonly connection: NatsConnection
  /** Every frame but PING, in order of arrival. */
  readonly received: Received[] = []
  /** The size of every message, in bytes. */
  readonly messageBytes: number[] = []
  pings = 0
  /** Called for every frame, before `next` sees it. */
  onFrame: ((received: Received) => void) | null = null
  readonly #subjects: Subjects = subjectsIn('callgate')
  readonly #unread: Received[] = []
  #waiters: Waiter[] = []
  #inbox: Subscription | null = null
  #announcement: Announcement

  constructor(connection: NatsConnection, options: ScriptedRunnerOptions) {
    this.connection = connection
    this.id = options.id ?? newPeerId()
    this.functionName = options.functionName ?? 'echo'
    this.#announcement = {
      protocol: 1,
      runner: this.id,
      function: this.functionName,
      version: options.version ?? 'main',
      state: 'ready',
      slots: options.slots ?? 1,
      busyBy: {},
      host: 'scripted',
      pid: process.pid,
      startedAt: '2025-01-01T00:00:00.000Z',
    }
    // `discover` is left unanswered: a test announces its runners when it wants them to be known.
  }

  /** Announces itself; `changes` stay for later announcements. Resolves when the server has it. */
  async announce(changes: Partial<Announcement> = {}): Promise<void> {
    this.#announcement = { ...this.#announcement, ...changes }
    this.connection.publish(
      this.#subjects.announce(this.functionName, this.id),
      encodeAnnouncement(this.#announcement),
    )
    await this.connection.flush()
  }

  /** Announces something that is no announcement of ours. */
  async announceRaw(value: unknown): Promise<void> {
    this.connection.publish(
      this.#subjects.announce(this.functionName, this.id),
      JSON.stringify(value),
    )
    await this.connection.flush()
  }

  async hear(): Promise<void> {
    this.#inbox = this.connection.subscribe(this.#subjects.runnerInbox(this.id), {
      callback: (error, message) => {
        if (error === null) this.#onMessage(message)
      },
    })
    await this.connection.flush()
  }

  /** From here on the server answers its callers with "no responders". */
  async goDeaf(): Promise<void> {
    this.#inbox?.unsubscribe()
    await this.connection.flush()
  }

  /** The next frame of one of these types that no earlier `next` has returned. */
  next<T extends FrameType>(...types: T[]): Promise<Received<FrameOf<T>>> {
    const at = this.#unread.findIndex(({ frame }) => (types as FrameType[]).includes(frame[0]))
    if (at !== -1) {
      return Promise.resolve(this.#unread.splice(at, 1)[0] as Received<FrameOf<T>>)
    }
    return new Promise((resolve) => {
      this.#waiters.push({ types, resolve: resolve as (received: Received) => void })
    })
  }

  /** Frames of one type that have arrived and that no `next` has returned. */
  unread<T extends FrameType>(type: T): FrameOf<T>[] {
    return this.#unread.flatMap(({ frame }) => (frame[0] === type ? [frame as FrameOf<T>] : []))
  }

  /** Sends frames in one message. Resolves when the server has it. */
  async send(caller: string, ...frames: Frame[]): Promise<void> {
    await this.sendBytes(caller, Buffer.concat(frames.map(encodeFrame)))
  }

  async sendBytes(caller: string, bytes: Uint8Array): Promise<void> {
    this.connection.publish(this.#subjects.toCaller(caller, this.id), bytes)
    await this.connection.flush()
  }

  #onMessage(message: Msg): void {
    const caller = this.#subjects.sender(message.subject)
    const number = this.messageBytes.push(message.data.length) - 1
    decodeFrames(message.data, (frame) => {
      if (frame[0] === 6) {
        this.pings++
        return
      }
      const received = { frame, caller, message: number, replyTo: message.reply ?? '' }
      this.received.push(received)
      this.onFrame?.(received)
      const at = this.#waiters.findIndex(({ types }) => types.includes(frame[0]))
      if (at === -1) this.#unread.push(received)
      else this.#waiters.splice(at, 1)[0]!.resolve(received)
    })
  }
}
