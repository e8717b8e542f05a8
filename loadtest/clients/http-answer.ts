// Reads one HTTP answer as it arrives, and tells a whole one from one that only looks so: a body has
// the length that its head said, or ends with its last chunk. Knows no socket.
//
//   head ──▶ body ──▶ ended          any ──▶ broken: this is not HTTP
//        ──▶ size ──▶ data ──▶ size … ──▶ last ──▶ ended

type State = 'head' | 'body' | 'size' | 'data' | 'data end' | 'last' | 'ended' | 'broken'

const NOTHING = Buffer.alloc(0)

export class HttpAnswer {
  readonly headers = new Map<string, string>()
  #status = 0
  #state: State = 'head'
  #unread: Buffer = NOTHING
  #leftBytes = 0
  readonly #body: Buffer[] = []

  /** 0 before the head has come. */
  get status(): number {
    return this.#status
  }

  /** What has come of it. */
  get body(): Buffer {
    return this.#body.length === 1 ? this.#body[0]! : Buffer.concat(this.#body)
  }

  get isWhole(): boolean {
    return this.#state === 'ended' && this.#unread.byteLength === 0
  }

  /** It contradicts itself, or goes on behind its end. */
  get isBroken(): boolean {
    return this.#state === 'broken' || (this.#state === 'ended' && this.#unread.byteLength > 0)
  }

  push(bytes: Buffer): void {
    this.#unread = this.#unread.byteLength === 0 ? bytes : Buffer.concat([this.#unread, bytes])
    while (this.#step()) {}
  }

  /** @returns whether there may be more to do without more bytes */
  #step(): boolean {
    switch (this.#state) {
      case 'head':
        return this.#takeThrough('\r\n\r\n', (head) => this.#readHead(head))
      case 'body':
      case 'data': {
        const part = this.#unread.subarray(0, this.#leftBytes)
        if (part.byteLength > 0) this.#body.push(part)
        this.#leftBytes -= part.byteLength
        this.#unread = this.#unread.subarray(part.byteLength)
        if (this.#leftBytes > 0) return false
        this.#state = this.#state === 'body' ? 'ended' : 'data end'
        return true
      }
      case 'data end':
        return this.#takeThrough('\r\n', (rest) => {
          this.#state = rest === '' ? 'size' : 'broken'
        })
      case 'size':
        return this.#takeThrough('\r\n', (line) => {
          this.#leftBytes = /^[\da-f]+$/i.test(line) ? Number.parseInt(line, 16) : Number.NaN
          if (Number.isNaN(this.#leftBytes)) this.#state = 'broken'
          else this.#state = this.#leftBytes === 0 ? 'last' : 'data'
        })
      case 'last':
        return this.#takeThrough('\r\n', (line) => {
          if (line === '') this.#state = 'ended'
        })
      case 'ended':
      case 'broken':
        return false
    }
  }

  #readHead(head: string): void {
    const [statusLine = '', ...lines] = head.split('\r\n')
    const status = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(statusLine)?.[1]
    for (const line of lines) {
      const colon = line.indexOf(':')
      this.headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
    }
    this.#status = Number(status ?? 0)
    this.#state = status === undefined ? 'broken' : this.#stateOfBody()
  }

  #stateOfBody(): State {
    if (this.headers.get('transfer-encoding')?.toLowerCase() === 'chunked') return 'size'
    const length = this.headers.get('content-length')
    if (length === undefined) return this.#status === 204 ? 'ended' : 'broken'
    this.#leftBytes = Number(length)
    return Number.isSafeInteger(this.#leftBytes) ? 'body' : 'broken'
  }

  #takeThrough(mark: string, take: (text: string) => void): boolean {
    const at = this.#unread.indexOf(mark)
    if (at === -1) return false
    const text = this.#unread.toString('latin1', 0, at)
    this.#unread = this.#unread.subarray(at + mark.length)
    take(text)
    return true
  }
}
