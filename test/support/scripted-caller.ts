// A caller that does only what a test tells it to, frame by frame: what it sends, and when, is for the test to
// say. Ends with its test.

import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Test } from 'tap'
import { decodeFrames, encodeFrame } from '../../shared/codec.js'
import { type CallFrame, FRAME, type Frame } from '../../shared/frame.js'
import { newPeerId, subjectsIn } from '../../shared/subjects.js'

export async function startScriptedCaller(t: Test, natsUrl: string): Promise<ScriptedCaller> {
  const connection = await connect({ servers: natsUrl })
  t.teardown(() => connection.close())
  return new ScriptedCaller(connection)
}

export class ScriptedCaller {
  readonly id = newPeerId()
  readonly #subjects = subjectsIn('callgate')
  readonly #connection: NatsConnection
  readonly #heard: Frame[] = []
  #onHeard: () => void = () => {}

  /** Made by `startScriptedCaller` only. */
  constructor(connection: NatsConnection) {
    this.#connection = connection
    connection.subscribe(this.#subjects.callerInbox(this.id), {
      callback: (_error, { data }) => {
        decodeFrames(data, (frame) => {
          if (frame[0] !== FRAME.ping) this.#heard.push(frame)
        })
        this.#onHeard()
      },
    })
  }

  /** As one message. Resolves when nats-server has it: what anybody sends from then on comes later. */
  send(runnerId: string, ...frames: Frame[]): Promise<void> {
    const bytes = Buffer.concat(frames.map((frame) => Buffer.from(encodeFrame(frame))))
    this.#connection.publish(this.#subjects.toRunner(runnerId, this.id), bytes)
    return this.#connection.flush()
  }

  /** The next frame that is no PING. */
  async next(): Promise<Frame> {
    while (this.#heard.length === 0) {
      await new Promise<void>((resolve) => {
        this.#onHeard = resolve
      })
    }
    return this.#heard.shift()!
  }
}

/** A CALL without a body, a principal or headers. */
export function plainCall(id: number): CallFrame {
  return [FRAME.call, id, 'c', null, 1024, 'POST', '/', null, [], null, null, false]
}
