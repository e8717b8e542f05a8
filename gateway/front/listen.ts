// Listening, alone: uWebSockets.js would share a taken port with its owner without a word.

import type { TemplatedApp, us_listen_socket } from 'uWebSockets.js'
import type { Uws } from './uws.js'

export class PortTaken extends Error {
  override readonly name = 'PortTaken'
}

/** @param flag what the user changes when the port is taken. Throws PortTaken. */
export function listen(
  uws: Uws,
  app: TemplatedApp,
  host: string,
  port: number,
  flag: string,
): Promise<us_listen_socket> {
  return new Promise((resolve, reject) => {
    app.listen(host, port, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      if (socket) resolve(socket)
      else {
        reject(
          new PortTaken(
            `Port ${port} on ${host} is taken, or may not be used. Stop what listens there, or choose another with ${flag}.`,
          ),
        )
      }
    })
  })
}
