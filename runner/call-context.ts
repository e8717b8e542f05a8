// What a function is given beside its input. Made for every call, so what few functions use (headers,
// signal, logger) is built when it is first looked at.

import type { Logger } from 'pino'
import type { CallFrame } from '../shared/frame.js'
import type { CallContext, Principal } from './define-function.js'

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({})

export class RunnerCallContext<Model> implements CallContext<Model> {
  readonly model: Model
  readonly callId: string
  readonly method: string
  readonly url: string
  readonly params: Readonly<Record<string, string>>
  readonly principal: Principal | null
  readonly deadline: number
  readonly #frame: CallFrame
  readonly #log: Logger
  #headers: Headers | null = null
  #abort: AbortController | null = null
  #abortReason: Error | null = null
  #childLog: Logger | null = null

  constructor(frame: CallFrame, model: Model, log: Logger, nowMs: number) {
    const [, , callId, timeoutMs, , method, url, params, , principal] = frame
    this.#frame = frame
    this.#log = log
    this.model = model
    this.callId = callId
    this.method = method
    this.url = url
    this.params = params ?? NO_PARAMS
    this.principal = principal
    this.deadline = timeoutMs === null ? Number.POSITIVE_INFINITY : nowMs + timeoutMs
  }

  get headers(): Headers {
    if (this.#headers === null) {
      this.#headers = new Headers()
      const flat = this.#frame[8]
      for (let index = 0; index < flat.length; index += 2) {
        this.#headers.append(flat[index]!, toByteString(flat[index + 1]!))
      }
    }
    return this.#headers
  }

  get signal(): AbortSignal {
    if (this.#abort === null) {
      this.#abort = new AbortController()
      if (this.#abortReason !== null) this.#abort.abort(this.#abortReason)
    }
    return this.#abort.signal
  }

  get log(): Logger {
    this.#childLog ??= this.#log.child({ callId: this.callId })
    return this.#childLog
  }

  /** One header without building `headers`; the first, where it comes more than once. */
  header(name: string): string | null {
    const flat = this.#frame[8]
    for (let index = 0; index < flat.length; index += 2) {
      if (flat[index] === name) return flat[index + 1]!
    }
    return null
  }

  abort(reason: Error): void {
    if (this.#abortReason !== null) return
    this.#abortReason = reason
    this.#abort?.abort(reason)
  }

  /** Why the call was given up, or null. */
  get abortReason(): Error | null {
    return this.#abortReason
  }
}

/** `Headers` takes characters of one byte only; what a client sent in UTF-8 is given as its bytes. */
function toByteString(value: string): string {
  for (let index = 0; index < value.length; index++) {
    if (value.charCodeAt(index) > 0xff) return Buffer.from(value, 'utf8').toString('latin1')
  }
  return value
}
