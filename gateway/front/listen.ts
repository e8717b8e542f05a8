// Listening, alone unless it is asked for: uWebSockets.js would share a taken port with its owner without
// a word. Nor does it say why it cannot listen: Node is asked for that.

import type { ListenOptions, TemplatedApp, us_listen_socket } from 'uWebSockets.js'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { Uws } from './uws.js'

export class PortTaken extends Error {
  override readonly name = 'PortTaken'
}

/** The engine's default, for which its module has no name. */
const LISTEN_SHARED: ListenOptions = 0

export interface PortUse {
  /** What the user changes when the port is taken. */
  readonly flag: string
  /** Together with others who share it as well: the kernel gives each connection to one of them. */
  readonly isShared?: boolean
}

/** Throws PortTaken. */
export async function listen(
  uws: Uws,
  app: TemplatedApp,
  host: string,
  port: number,
  use: PortUse,
): Promise<us_listen_socket> {
  const option = use.isShared ? LISTEN_SHARED : uws.LIBUS_LISTEN_EXCLUSIVE_PORT
  const socket = await new Promise<us_listen_socket | false>((resolve) => {
    app.listen(host, port, option, resolve)
  })
  if (socket) return socket
  throw new PortTaken(sentenceOf(await codeOf(host, port), host, port, use))
}

/** Why nobody can listen there; null where it would do now. */
async function codeOf(host: string, port: number): Promise<string | null> {
  const server = createServer()
  try {
    await once(server.listen({ host, port, exclusive: true }), 'listening')
    return null
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? null
  } finally {
    server.close()
  }
}

function sentenceOf(code: string | null, host: string, port: number, use: PortUse): string {
  const { flag, isShared = false } = use
  const hostFlag = flag.replace('port', 'host')
  switch (code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return `The address ${host} cannot be found: ${hostFlag} is an address of this machine, or a name that leads to one.`
    case 'EADDRNOTAVAIL':
    case 'EINVAL':
    case 'EAFNOSUPPORT':
      return `The address ${host} is not one of this machine. Choose another with ${hostFlag}.`
    case 'EACCES':
      return `Port ${port} on ${host} may not be used by this user. Choose another with ${flag}.`
    default: {
      const owner = isShared ? 'Stop what listens there without sharing' : 'Stop what listens there'
      return `Port ${port} on ${host} is taken, or may not be used. ${owner}, or choose another with ${flag}.`
    }
  }
}
