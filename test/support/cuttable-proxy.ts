// A TCP proxy whose connections can be cut, kept from coming back, garbled and stopped up: one peer's way to
// NATS.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface CuttableProxy {
  readonly url: string
  /** Says something to every client that no server would. */
  garble(): void
  /** Cuts every connection, and refuses new ones until `mend`. */
  cut(): void
  /** Reads nothing more of what clients say, until `mend`. */
  stopUp(): void
  /** Cuts every connection; new ones are taken, and nothing that they say is answered, until `mend`. */
  fallSilent(): void
  /** Resolves when somebody tries to connect. */
  attempted(): Promise<void>
  mend(): void
}

export async function startCuttableProxy(t: Test, targetUrl: string): Promise<CuttableProxy> {
  const port = Number(new URL(targetUrl).port)
  const sockets = new Set<Socket>()
  /** With their way to the server. */
  const clients = new Map<Socket, Socket>()
  let stopped: (readonly [Socket, Socket])[] = []
  let isCut = false
  let isSilent = false
  const server = createServer((near) => {
    if (isCut) return near.destroy()
    if (isSilent) {
      // It stays unanswered for good, as packets do that a network has swallowed.
      sockets.add(near)
      near.on('error', () => {}).on('close', () => sockets.delete(near))
      return
    }
    const far = connect({ host: '127.0.0.1', port })
    clients.set(near, far)
    near.on('close', () => clients.delete(near))
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from)
      from.setNoDelay(true)
      from.pipe(to)
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const drop = () => {
    for (const socket of sockets) socket.destroy()
  }
  const cut = () => {
    isCut = true
    drop()
  }
  t.teardown(() => {
    cut()
    server.close()
  })
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    garble: () => {
      for (const client of clients.keys()) client.write('rubbish\r\n')
    },
    stopUp: () => {
      stopped = [...clients]
      for (const [near, far] of stopped) near.unpipe(far).pause()
    },
    cut,
    fallSilent: () => {
      isSilent = true
      drop()
    },
    attempted: async () => {
      await once(server, 'connection')
    },
    mend: () => {
      isCut = false
      isSilent = false
      for (const [near, far] of stopped) near.pipe(far)
      stopped = []
    },
  }
}
