import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Test, test } from 'tap'
import { firstAnswerMs, type Question } from '../../loadtest/clients/first-answer.js'
import { runScenario } from './run-scenario.js'

test('gateways and new functions are timed to their first answer', async (t) => {
  const text = await runScenario('coldpath', '--starts', '1', '--pause-seconds', '0.1')
  t.match(text, /^coldpath: 1 starts of each/m)
  t.match(text, /^\| callgate gateway → first answer +\| \d+ +\|/m)
  t.match(text, /^\| callgate runner with a new file → first answer +\| \d+ +\|/m)
  t.match(text, /^\| new file in the folder of callgate dev → first answer +\| \d+ +\|/m)
  t.match(text, /^\| callgate gateway → first answer, p50 +\| at most 400 ms /m)
})

test('the first answer comes behind the status of before, and must be right', async (t) => {
  t.ok((await ask(t, [404, 404, 200])) > 0)
  await t.rejects(ask(t, [404, 200], 'something else'), /answered yes/)
  await t.rejects(ask(t, [404, 500, 200]), /500/)
})

async function ask(t: Test, statuses: number[], answer = 'yes'): Promise<number> {
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(statuses.shift()!, { 'content-length': '3' }).end('yes')
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const question: Question = {
    origin: `http://127.0.0.1:${port}`,
    authorization: '',
    path: '/',
    body: '',
    answer,
    earlierStatus: 404,
  }
  return firstAnswerMs(question, performance.now(), new AbortController().signal)
}
