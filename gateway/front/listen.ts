// Listening, alone unless it is asked for: uWebSockets.js would share a taken port with its owner without
// a word.

import type { ListenOptions, TemplatedApp, us_listen_socket } from 'uWebSockets.js'
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
export function listen(
  uws: Uws,
  app: TemplatedApp,
  host: string,
  port: number,
  { flag, isShared = false }: PortUse,
): Promise<us_listen_socket> {
  const option = isShared ? LISTEN_SHARED : uws.LIBUS_LISTEN_EXCLUSIVE_PORT
  return new Promise((resolve, reject) => {
    app.listen(host, port, option, (socket) => {
      if (socket) resolve(socket)
      else {
        const owner = isShared
          ? 'Stop what listens there without sharing'
          : 'Stop what listens there'
        reject(
          new PortTaken(
            `Port ${port} on ${host} is taken, or may not be used. ${owner}, or choose another with ${flag}.`,
          ),
        )
      }
    })
  })
}
