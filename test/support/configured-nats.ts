// A nats-server with a configuration of an operator's. Ends with its test.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { testNatsBinary } from './nats.js'

/** A nats-server with a configuration of the operator's; returns its address. `log` is given its lines. */
export async function startConfiguredNats(
  t: Test,
  folder: string,
  config: string,
  log: string[] = [],
): Promise<string> {
  const file = join(folder, 'nats.conf')
  writeFileSync(file, `listen: "127.0.0.1:-1"\n${config}`)
  const server = spawn(await testNatsBinary(), ['-c', file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(server, 'exit')
  t.teardown(async () => {
    server.kill('SIGKILL')
    await ended
  })
  const lines = createInterface({ input: server.stderr })
  return new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      log.push(line)
      const port = /client connections on \S+:(\d+)/.exec(line)?.[1]
      if (port !== undefined) resolve(`127.0.0.1:${port}`)
    })
    lines.on('close', () => reject(new Error(log.join('\n'))))
  })
}
