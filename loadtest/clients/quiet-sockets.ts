// Clients that open WebSockets and say nothing, until each is asked whether it is still there. They answer
// pings, as every client does.

import WebSocket from 'ws'

// As many as any listen queue holds.
const AT_ONCE = 100
const PATIENCE_MS = 30_000
const NORMAL_CLOSE_CODE = 1000

export class QuietSockets {
  /** What went wrong, by how. */
  readonly errors: Record<string, number> = { refused: 0, lost: 0, unanswered: 0 }
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #sockets: WebSocket[] = []
  #isClosing = false

  constructor(url: string, headers: Readonly<Record<string, string>>) {
    this.#url = url
    this.#headers = headers
  }

  /** So many more. */
  async open(count: number, signal: AbortSignal): Promise<void> {
    for (let opened = 0; opened < count; opened += AT_ONCE) {
      signal.throwIfAborted()
      const length = Math.min(AT_ONCE, count - opened)
      const wave = await Promise.all(Array.from({ length }, () => this.#open()))
      this.#sockets.push(...wave.filter((socket) => socket !== null))
    }
  }

  /** Sends each a message of its own, which it must get back. Resolves with how many did. */
  async ask(signal: AbortSignal): Promise<number> {
    let answered = 0
    for (let at = 0; at < this.#sockets.length; at += AT_ONCE) {
      signal.throwIfAborted()
      const wave = this.#sockets.slice(at, at + AT_ONCE)
      const answers = await Promise.all(wave.map((socket, i) => isEchoed(socket, `${at + i}`)))
      answered += answers.filter((isRight) => isRight).length
      this.errors.unanswered! += answers.filter((isRight) => !isRight).length
    }
    return answered
  }

  async close(): Promise<void> {
    this.#isClosing = true
    const sockets = this.#sockets.splice(0)
    for (let at = 0; at < sockets.length; at += AT_ONCE) {
      await Promise.all(sockets.slice(at, at + AT_ONCE).map(closed))
    }
    this.#isClosing = false
  }

  /** Whatever is still open is cut. */
  abandon(): void {
    this.#isClosing = true
    for (const socket of this.#sockets.splice(0)) socket.terminate()
  }

  #open(): Promise<WebSocket | null> {
    return new Promise((resolve) => {
      const socket = new WebSocket(this.#url, {
        headers: this.#headers,
        perMessageDeflate: false,
        handshakeTimeout: PATIENCE_MS,
      })
      socket.once('open', () => {
        socket.once('close', () => {
          if (!this.#isClosing) this.errors.lost! += 1
        })
        resolve(socket)
      })
      socket.on('error', () => {
        if (socket.readyState !== WebSocket.CONNECTING) return
        this.errors.refused! += 1
        resolve(null)
      })
    })
  }
}

function isEchoed(socket: WebSocket, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isRight: boolean) => {
      clearTimeout(timer)
      socket.off('message', onMessage).off('close', onClose)
      resolve(isRight)
    }
    const onMessage = (data: Buffer) => end(data.toString() === text)
    const onClose = () => end(false)
    const timer = setTimeout(() => end(false), PATIENCE_MS)
    socket.once('message', onMessage).once('close', onClose)
    if (socket.readyState === WebSocket.OPEN) socket.send(text)
    else end(false)
  })
}

function closed(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.terminate(), PATIENCE_MS)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.close(NORMAL_CLOSE_CODE)
  })
}
