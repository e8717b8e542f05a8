// The listening socket of the public port, and what the kernel is told about it.
//
// Its receive buffer: uWebSockets.js reads a connection, paused or not, for as long as every read fills its
// 512 KiB. The kernel lets a buffer grow to several MiB, so over a fast network an upload comes in as fast
// as its client can send, whatever we say: 1 GiB from the same machine took 866 MiB in the gateway, and
// takes 133 with a buffer that no read of the engine can fill.
//
// Its end: with the socket the kernel would reset every connection that it holds for us and that was not
// accepted yet, and those whose handshake is under way. On a shared port as well: which process a connection
// belongs to is settled with its first packet. So that packet is ignored from some time before the end on.
// Who sent it sends it again a second later, to another process on the port or to the next life of this one.
// Meanwhile the engine accepts what was there before.

import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import {
  type FilterInstruction,
  hasHandshakes,
  KernelRefusal,
  KernelSocket,
  listeningSockets,
} from './kernel-socket.js'
import { listen } from './listen.js'
import type { Uws } from './uws.js'

/** For the handshakes that are under way: a round trip, of a distant client. */
const HANDSHAKES_MS = 250
/** How often the kernel is asked whether there are any. Who comes meanwhile has to wait. */
const LOOK_MS = 5

/** Drops a TCP packet that has SYN and not ACK, the first of a connection; lets all others pass. */
const WITHOUT_FIRST_PACKETS: readonly FilterInstruction[] = [
  [0x30, 0, 0, 13], // load the byte of the flags
  [0x54, 0, 0, 0x12], // and with SYN | ACK
  [0x15, 0, 1, 0x02], // is it SYN alone?
  [0x06, 0, 0, 0], // yes: keep no byte of it
  [0x06, 0, 0, 0xffffffff], // no: keep all
]

export interface PublicPortOptions {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** Together with other processes. */
  readonly sharePort: boolean
  /** The kernel's buffer for what one client sends; below 512 KiB. */
  readonly receiveBufferBytes: number
  readonly log: Logger
}

export class PublicPort {
  readonly number: number
  readonly #uws: Uws
  readonly #socket: us_listen_socket
  readonly #kernel: KernelSocket | null
  readonly #isShared: boolean
  #isListening = true

  private constructor(
    uws: Uws,
    socket: us_listen_socket,
    kernel: KernelSocket | null,
    isShared: boolean,
  ) {
    this.#uws = uws
    this.#socket = socket
    this.#kernel = kernel
    this.#isShared = isShared
    this.number = uws.us_socket_local_port(socket)
  }

  /** Listens; throws PortTaken. */
  static async open(uws: Uws, app: TemplatedApp, options: PublicPortOptions): Promise<PublicPort> {
    const { host, port, sharePort, receiveBufferBytes, log } = options
    const others = new Set(listeningSockets(port))
    const socket = await listen(uws, app, host, port, { flag: '--port', isShared: sharePort })
    let kernel: KernelSocket | null = null
    try {
      kernel = await KernelSocket.listeningOn(uws.us_socket_local_port(socket), others)
      kernel.setReceiveBuffer(receiveBufferBytes)
    } catch (error) {
      if (!(error instanceof KernelRefusal)) throw error
      const reason = error.message
      log.warn({ reason }, 'a fast upload may take much memory: no receive buffer set')
    }
    return new PublicPort(uws, socket, kernel, sharePort)
  }

  get isListening(): boolean {
    return this.#isListening
  }

  /** Resolves when it listens no more, and whoever had come before is accepted. */
  async stop(): Promise<void> {
    if (this.#ignoreNewcomers()) {
      const untilMs = performance.now() + HANDSHAKES_MS
      do await delay(LOOK_MS)
      while (performance.now() < untilMs && (await hasHandshakes(this.number)))
    }
    // Behind the turn in which the engine has accepted all that there was.
    await new Promise((resolve) => setImmediate(resolve))
    this.close()
  }

  /** At once. Idempotent. */
  close(): void {
    if (this.#isListening) this.#uws.us_listen_socket_close(this.#socket)
    this.#isListening = false
  }

  /** False where the kernel needs no such thing, or does not do it. */
  #ignoreNewcomers(): boolean {
    if (this.#kernel === null || (this.#isShared && kernelMovesConnections())) return false
    try {
      this.#kernel.filter(WITHOUT_FIRST_PACKETS)
      return true
    } catch (error) {
      if (!(error instanceof KernelRefusal)) throw error
      return false
    }
  }
}

/** To another socket on the same port, when theirs is closed: an option of Linux 5.14 and later. */
function kernelMovesConnections(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv4/tcp_migrate_req', 'utf8').trim() === '1'
  } catch {
    return false
  }
}
