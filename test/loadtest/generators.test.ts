import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Test, test } from 'tap'
import { autocannonGenerator } from '../../loadtest/generators/autocannon.js'
import {
  CALL_TIMEOUT_MS,
  type Generator,
  type Load,
  type LoadResult,
} from '../../loadtest/generators/load.js'
import { wrkGenerator } from '../../loadtest/generators/wrk.js'
import { sum } from '../../loadtest/report/statistics.js'
import { withTestbed } from '../../loadtest/testbed.js'

const BODY = '{"message":"it\'s \\"quoted\\""}'

const PAUSE_MS = 5

const GENERATORS = { autocannon: autocannonGenerator, wrk: wrkGenerator }

for (const [name, generate] of Object.entries(GENERATORS)) {
  const skip = name === 'wrk' && !hasWrk() ? 'no wrk here' : false

  const loadOn = (t: Test, listener: RequestListener, part?: Partial<Load>) =>
    runLoad(generate, t, listener, part)

  test(`${name} sends the load and counts what is answered`, { skip }, async (t) => {
    let served = 0
    const faults = new Set<string>()
    const result = await loadOn(t, async (request, response) => {
      // The generator leaves in the middle of its last calls.
      const body = (await request.toArray().catch(() => [BODY])).join('')
      if (body !== BODY) faults.add(body)
      if (request.headers.authorization !== 'Bearer token') faults.add('no token')
      served += 1
      response.end(body)
    })
    t.same([...faults], [])
    t.ok(served - result.count >= 0 && served - result.count <= 4, `${served} ${result.count}`)
    t.ok(result.seconds >= 1, `${result.seconds} s`)
    t.ok(result.p50Ms > 0 && result.p50Ms <= result.p99Ms, `${result.p50Ms} ${result.p99Ms}`)
    const counted = sum(result.counts)
    t.ok(Math.abs(counted - result.count) <= 8, `${counted} ${result.count}`)
    t.equal(new Map(result.latency).get(50), result.p50Ms)
    t.equal(errorsOf(result), 0)
  })

  test(`${name} counts answers that are not 2xx as errors, and not as calls`, {
    skip,
  }, async (t) => {
    const result = await loadOn(t, (request, response) => {
      request.resume()
      response.writeHead(503).end()
    })
    t.equal(result.count, 0)
    t.ok(result.errors['not 2xx']! > 0)
  })

  test(`${name} counts connections closed in the middle of a call`, { skip }, async (t) => {
    const result = await loadOn(t, (request) => request.socket.end())
    t.equal(result.count, 0)
    t.ok(result.errors['connection closed']! > 0)
  })

  test(`${name} counts calls that are answered too late`, { skip }, async (t) => {
    const listener: RequestListener = (request, response) => {
      request.resume()
      setTimeout(() => response.end(), CALL_TIMEOUT_MS + 200)
    }
    const result = await loadOn(t, listener, { seconds: 3 })
    t.ok(result.errors['no answer in time']! >= 4)
  })
}

test('autocannon compares the bodies', async (t) => {
  const result = await runLoad(autocannonGenerator, t, (request, response) => {
    request.resume()
    response.end('something else')
  })
  t.ok(result.count > 0)
  t.equal(result.errors['wrong body'], result.count)
})

async function runLoad(
  generate: Generator,
  t: Test,
  listener: RequestListener,
  part: Partial<Load> = {},
): Promise<LoadResult> {
  // Later, so that the generator leaves the machine to the tests that run beside this one.
  const paced: RequestListener = (request, response) => {
    setTimeout(() => listener(request, response), PAUSE_MS)
  }
  const server = createServer(paced).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const load: Load = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/echo`,
    headers: { 'content-type': 'application/json', authorization: 'Bearer token' },
    body: BODY,
    connections: 4,
    pipelining: 1,
    // Of one second a busy machine may leave nothing.
    seconds: 2,
    ...part,
  }
  return withTestbed(new AbortController().signal, (testbed) => generate(testbed, load))
}

function errorsOf(result: LoadResult): number {
  return Object.values(result.errors).reduce((total, count) => total + count, 0)
}

function hasWrk(): boolean {
  try {
    execFileSync('wrk', ['-v'], { stdio: 'ignore' })
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}
