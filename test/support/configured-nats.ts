// A nats-server with a configuration of an operator's. Ends with its test.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { testNatsBinary } from './nats.js'

/** A nats-server with a configuration of the operator's; returns its address. */
export async function startConfiguredNats(
  t: Test,
  folder: string,
  config: string,
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
  let log = ''
  for await (const line of createInterface({ input: server.stderr })) {
    log += `${line}\n`
    const port = /client connections on \S+:(\d+)/.exec(line)?.[1]
    if (port !== undefined) {
      server.stderr.resume()
      return `127.0.0.1:${port}`
    }
  }
  throw new Error(log)
}
