// wrk costs a fifth of autocannon's CPU time per call, so it reaches what a fast subject can do on a
// machine that both share. It does not look at bodies (rounds.ts checks one answer of each round),
// and it counts a call as late when the answer comes: one that is never answered it does not see.

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { COUNTED_EVERY_MS } from './counter.js'
import { PERCENTILES, tellable } from './latency-curve.js'
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
  const { all, us, p50, p99, curve, counts, ...faults } = JSON.parse(report[1]!)
  const { status, connect, read, write, timeout: late } = faults
  const told = new Set(tellable(all))
  return {
    count: all - status,
    seconds: us / 1e6,
    p50Ms: p50 / 1000,
    p99Ms: p99 / 1000,
    latency: PERCENTILES.flatMap((percentile, index) =>
      told.has(percentile) ? [[percentile, curve[index] / 1000] as const] : [],
    ),
    counts,
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
${COUNTING}
local calls, turn = {}, 0
function init()
  for index, path in ipairs({${paths.map(luaText).join(', ')}}) do
    calls[index] = string.rep(wrk.format(nil, path), ${pipelining})
  end
end
function request()
  count(${pipelining})
  turn = turn % #calls + 1
  return calls[turn]
end
local thread
function setup(only) thread = only end
function done(summary, latency)
  local curve = {}
  for _, percentile in ipairs({${PERCENTILES.join()}}) do
    table.insert(curve, string.format('%d', latency:percentile(percentile)))
  end
  local e = summary.errors
  print(string.format(
    'report {"all":%d,"us":%d,"p50":%d,"p99":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,' ..
    '"curve":[%s],"counts":[%s]}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect, e.read, e.write, e.timeout,
    table.concat(curve, ','), table.concat(thread:get('counts'), ',')))
end
`
}

// Calls that are sent: they are as many as are answered, less those that are open. To hear of answers would
// cost wrk more than all the rest. Clock 0 is CLOCK_REALTIME on every system.
const COUNTING = `
local ffi = require('ffi')
ffi.cdef('struct moment { long seconds; long nanoseconds; }; int clock_gettime(int, struct moment *);')
local moment = ffi.new('struct moment')
local start
counts = {}
function count(calls)
  ffi.C.clock_gettime(0, moment)
  local now = tonumber(moment.seconds) * 1000 + tonumber(moment.nanoseconds) / 1e6
  start = start or now
  local index = math.max(0, math.floor((now - start) / ${COUNTED_EVERY_MS})) + 1
  while #counts < index do table.insert(counts, 0) end
  counts[index] = counts[index] + calls
end`

// Lua reads \ddd as the byte with that decimal number.
function luaText(text: string): string {
  const escaped = [...Buffer.from(text)].map((byte) => `\\${String(byte).padStart(3, '0')}`)
  return `"${escaped.join('')}"`
}
