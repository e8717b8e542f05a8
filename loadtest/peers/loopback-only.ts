// Loaded before a program that listens on all interfaces and cannot be told otherwise.

import { Server } from 'node:net'

const { listen } = Server.prototype
Server.prototype.listen = function (this: Server, port: number, ...rest: unknown[]) {
  const onListening = rest.findLast((argument) => typeof argument === 'function')
  return listen.call(this, { port, host: '127.0.0.1' }, onListening as () => void)
} as typeof listen
