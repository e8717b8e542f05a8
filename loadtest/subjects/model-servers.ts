// Servers for models, with the scenarios' functions written for them.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../free-port.js'
import { PEER_FOLDERS } from '../peer-packages.js'
import type { StartSubject } from './subject.js'

export const startLitserve =
  (scenario: 'echo' | 'tokens'): StartSubject =>
  async (testbed) => {
    const port = await freePort()
    const command = [...pythonServer('litserve'), scenario, String(port)]
    const { pid } = await testbed.startServer('litserve', command)
    const processes = [{ name: 'litserve', pid }]
    return { name: 'litserve', origin: `http://127.0.0.1:${port}`, processes }
  }

export const startRayServe: StartSubject = async (testbed) => {
  const port = await freePort()
  const directory = join(testbed.directory, 'ray')
  await mkdir(directory)
  const environment = [
    'RAY_SERVE_THROUGHPUT_OPTIMIZED=1',
    // Its address is 127.0.0.1 then, as it is where Ray does not join machines.
    'RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0',
    'RAY_USAGE_STATS_ENABLED=0',
    // Else its workers are nicer than the generator on the same cores, which then leaves them little.
    'RAY_worker_niceness=0',
  ]
  const command = ['env', ...environment, ...pythonServer('ray-serve'), String(port), directory]
  const { pid } = await testbed.startServer('ray-serve', command)
  const processes = [{ name: 'ray-serve', pid }]
  return { name: 'ray-serve', origin: `http://127.0.0.1:${port}`, processes }
}

function pythonServer(name: string): string[] {
  const python = join(PEER_FOLDERS.installed, name, 'bin', 'python')
  return [python, join(PEER_FOLDERS.sources, name, 'server.py')]
}
