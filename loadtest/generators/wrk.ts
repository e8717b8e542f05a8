// wrk costs a fifth of autocannon's CPU time per call, so it reaches what a fast subject can do on a
// machine that both share. It does not look at bodies (rounds.ts checks one answer of each round),
// and it counts a call as late when the answer comes: one that is never answered it does not see.

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { CALL_TIMEOUT_MS, type Generator, generatorTimeoutMs, type Load } from './load.js'

export const wrkGenerator: Generator = async (testbed, load) => {
  const script = join(testbed.directory, 'wrk.lua')
  await writeFile(script, scriptOf(load))
  const limits = ['-t1', `-c${load.connections}`, `-d${load.seconds}s`]
  const timeout = ['--timeout', `${CALL_TIMEOUT_MS / 1000}s`]
  const command = ['wrk', ...limits, ...timeout, '-s', script, load.url]
  const output = await testbed.run('wrk', command, generatorTimeoutMs(load))
  const report = /^report (.+)$/m.exec(output)
  if (!report) throw new Error(`wrk gave no report:\n${output}`)
  const { all, us, p50, p99, status, connect, read, write, timeout: late } = JSON.parse(report[1]!)
  return {
    count: all - status,
    seconds: us / 1e6,
    p50Ms: p50 / 1000,
    p99Ms: p99 / 1000,
    errors: {
      'not 2xx': status,
      'no answer in time': late,
      'connection closed': connect + read + write,
    },
  }
}

/** Throws one sentence where there is no wrk. */
export async function assertWrkInstalled(): Promise<void> {
  // It has no --version: -v prints its version and its usage, and fails.
  const error = await promisify(execFile)('wrk', ['-v']).catch((reason) => reason)
  if (error?.code === 'ENOENT') {
    throw new Error('wrk is not on the PATH: install it, or use --generator autocannon.')
  }
}

function scriptOf({
  url,
  headers,
  body,
  pipelining,
  paths = [new URL(url).pathname],
}: Load): string {
  const fields = Object.entries(headers)
  return `
wrk.method = "POST"
wrk.body = ${luaText(body)}
${fields.map(([name, value]) => `wrk.headers[${luaText(name)}] = ${luaText(value)}`).join('\n')}
local calls, turn = {}, 0
function init()
  for index, path in ipairs({${paths.map(luaText).join(', ')}}) do
    calls[index] = string.rep(wrk.format(nil, path), ${pipelining})
  end
end
function request()
  turn = turn % #calls + 1
  return calls[turn]
end
function done(summary, latency)
  local e = summary.errors
  print(string.format(
    'report {"all":%d,"us":%d,"p50":%d,"p99":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect, e.read, e.write, e.timeout))
end
`
}

// Lua reads \ddd as the byte with that decimal number.
function luaText(text: string): string {
  const escaped = [...Buffer.from(text)].map((byte) => `\\${String(byte).padStart(3, '0')}`)
  return `"${escaped.join('')}"`
}
