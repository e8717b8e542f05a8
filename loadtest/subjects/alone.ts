// A server by itself, which calls nothing.

import { join } from 'node:path'
import type { Testbed } from '../testbed.js'
import type { StartSubject, Subject } from './subject.js'

export const startUwsHello = (testbed: Testbed): Promise<Subject> =>
  startAlone(testbed, 'uws-hello')

export const startUwsUpload: StartSubject = (testbed) => startAlone(testbed, 'uws-upload')

export const startUwsEcho = (testbed: Testbed): Promise<Subject> => startAlone(testbed, 'uws-echo')

export const startNodeHttp = (testbed: Testbed): Promise<Subject> =>
  startAlone(testbed, 'node-http')

/** One end of a socket; the load is the other. */
export const startSocketPipe: StartSubject = async (testbed) => ({
  ...(await startAlone(testbed, 'socket-pipe-receiver')),
  name: 'socket-pipe',
})

export const startNodeSse: StartSubject = (testbed) => startAlone(testbed, 'node-sse')

export async function startAlone(testbed: Testbed, name: string): Promise<Subject> {
  const server = await testbed.startServer(name, peerCommand(name))
  const { url } = await server.line('listening', testbed.signal)
  return { name, origin: String(url), processes: [{ name, pid: server.pid }] }
}

/** One of our own programs. */
export function peerCommand(name: string): string[] {
  return [process.execPath, join(import.meta.dirname, '..', 'peers', `${name}.js`)]
}
