// Reads one HTTP answer as it arrives and gives its server-sent events: what a client must do at the
// least, and so cheap that a thousand of them fit into one process. Knows no socket. Chunked bodies
// only, because that is how a stream of unknown length comes; and ASCII only.
//
//   head ──▶ size ──▶ data ──▶ size … ──▶ last ──▶ ended         any ──▶ broken

type State = 'head' | 'size' | 'data' | 'last' | 'ended' | 'broken'

export class EventStreamAnswer {
  readonly #onEvent: (event: string) => void
  #state: State = 'head'
  #status = 0
  #unread = ''
  #chunkLeft = 0
  #body = ''

  /** @param onEvent gets each event without the blank line that ends it; comments are left out */
  constructor(onEvent: (event: string) => void) {
    this.#onEvent = onEvent
  }

  get status(): number {
    return this.#status
  }

  /** The last chunk has come: the sender says that it is complete. */
  get hasEnded(): boolean {
    return this.#state === 'ended' && this.#body === ''
  }

  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'broken'
  }

  push(bytes: Buffer): void {
    this.#unread += bytes.toString('latin1')
    while (this.#step()) {}
    this.#giveEvents()
  }

  /** @returns whether there may be more to do without more bytes */
  #step(): boolean {
    switch (this.#state) {
      case 'head':
        return this.#takeThrough('\r\n\r\n', (head) => {
          this.#status = Number(head.slice('HTTP/1.1 '.length, 12))
          const isChunked = /\r\ntransfer-encoding: *chunked/i.test(head)
          this.#state = isChunked ? 'size' : 'broken'
        })
      case 'size':
        return this.#takeThrough('\r\n', (line) => {
          this.#chunkLeft = Number.parseInt(line, 16)
          this.#state = this.#chunkLeft === 0 ? 'last' : this.#chunkLeft > 0 ? 'data' : 'broken'
        })
      case 'data': {
        const part = this.#unread.slice(0, this.#chunkLeft)
        this.#body += part
        this.#chunkLeft -= part.length
        this.#unread = this.#unread.slice(part.length)
        if (this.#chunkLeft > 0) return false
        return this.#takeThrough('\r\n', (rest) => {
          this.#state = rest === '' ? 'size' : 'broken'
        })
      }
      case 'last':
        return this.#takeThrough('\r\n', (line) => {
          if (line === '') this.#state = 'ended'
        })
      case 'ended':
      case 'broken':
        return false
    }
  }

  #takeThrough(mark: string, take: (text: string) => void): boolean {
    const at = this.#unread.indexOf(mark)
    if (at === -1) return false
    const text = this.#unread.slice(0, at)
    this.#unread = this.#unread.slice(at + mark.length)
    take(text)
    return true
  }

  #giveEvents(): void {
    let from = 0
    for (;;) {
      const at = this.#body.indexOf('\n\n', from)
      if (at === -1) break
      const event = this.#body.slice(from, at)
      if (!event.startsWith(':')) this.#onEvent(event)
      from = at + 2
    }
    if (from > 0) this.#body = this.#body.slice(from)
  }
}
