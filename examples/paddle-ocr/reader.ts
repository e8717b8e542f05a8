// The models' thread, seen from the runner's thread. onnxruntime-node computes on the thread that
// calls it; on the runner's own, no call would begin, stream or be cancelled while a model works.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { DecodedImage } from './decode-image.js'
import type { ReadReply, ReadRequest, ReadResult } from './reader-thread.js'

interface PendingRead {
  resolve(result: ReadResult): void
  reject(error: Error): void
}

export class Reader {
  readonly #thread: Worker
  readonly #pending = new Map<number, PendingRead>()
  #lastId = 0

  /** Resolves when the models are open. */
  static async open(): Promise<Reader> {
    const thread = startThread()
    await once(thread, 'message')
    return new Reader(thread)
  }

  // From here on nobody listens for the thread's 'error': a thread that dies ends its runner, and
  // the fleet starts another.
  private constructor(thread: Worker) {
    this.#thread = thread
    thread.on('message', (reply: ReadReply) => this.#settle(reply))
    thread.unref()
  }

  /** Settles only when the thread has stopped working on the image, also after `signal` has fired. */
  read(image: DecodedImage, signal: AbortSignal): Promise<ReadResult> {
    const stop = new Int32Array(new SharedArrayBuffer(4))
    const onAbort = () => Atomics.store(stop, 0, 1)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    const request: ReadRequest = { id: ++this.#lastId, image, stop }
    return new Promise<ReadResult>((resolve, reject) => {
      this.#pending.set(request.id, { resolve, reject })
      this.#thread.ref()
      this.#thread.postMessage(request)
    }).finally(() => signal.removeEventListener('abort', onAbort))
  }

  #settle(reply: ReadReply): void {
    const pending = this.#pending.get(reply.id)
    this.#pending.delete(reply.id)
    if (this.#pending.size === 0) this.#thread.unref()
    if (reply.error) pending?.reject(reply.error)
    else pending?.resolve(reply.result)
  }
}

/** A thread does not inherit the TypeScript loader of the thread that starts it. */
function startThread(): Worker {
  const isTypeScript = new URL(import.meta.url).pathname.endsWith('.ts')
  if (!isTypeScript) return new Worker(new URL('./reader-thread.js', import.meta.url))
  const loader = import.meta.resolve('tsx/esm/api')
  const thread = new URL('./reader-thread.ts', import.meta.url)
  const source = `import { register } from '${loader}'; register(); await import('${thread}')`
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`))
}
