// A real browser and the examples' page: what works with a client library works where its users are, too.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { ChromiumPage, findChromium } from '../support/chromium.js'
import { System } from '../support/system.js'

const chromium = findChromium()
const skip = chromium === undefined && 'no Chromium is installed'

t.test('the page of the examples, in Chromium', { skip }, async (t) => {
  const system = await System.start(t)
  await system.serveExamples('app', 'tokens', 'chat', 'vad')
  const token = await system.token()
  const page = await ChromiumPage.open(t, chromium!, `${system.url}/app/#token=${token}`)

  t.test('takes the token from the link, and out of the history', async (t) => {
    t.equal(await page.evaluate(`document.querySelector('#token').value`), token)
    t.equal(await page.evaluate('location.hash'), '')
  })

  t.test('streams tokens as they come', async (t) => {
    await page.evaluate(`
      const form = document.querySelector('#tokens')
      form.elements.count.value = 30
      form.elements.intervalMs.value = 10
      form.elements.text.value = 'ä € 𝄞'
      globalThis.lengths = new Set()
      new MutationObserver(() => lengths.add(document.querySelector('#tokens-output').textContent.length))
        .observe(document.querySelector('#tokens-output'), { childList: true })
      form.requestSubmit()
    `)
    await page.until(`document.querySelector('#tokens-status').textContent === '30 events.'`)
    const text = await page.evaluate(`document.querySelector('#tokens-output').textContent`)
    t.equal(text, 'ä € 𝄞 '.repeat(10))
    t.ok(Number(await page.evaluate('lengths.size')) > 5, 'not all at once')
  })

  t.test('leaves a stream when it is told to', async (t) => {
    await page.evaluate(`
      document.querySelector('#tokens').elements.count.value = 1000
      document.querySelector('#tokens').requestSubmit()
    `)
    await page.until(`document.querySelector('#tokens-output').textContent.length > 10`)
    await page.evaluate(`document.querySelector('#tokens').elements.stop.click()`)
    await page.until(`document.querySelector('#tokens-status').textContent === 'Stopped.'`)
    await system.atRest('tokens')
    t.match((await system.state('tokens')).counters, { cancelled: 1 })
  })

  t.test('talks over a WebSocket with the token as a subprotocol', async (t) => {
    const say = (text: string) =>
      page.evaluate(`
        document.querySelector('#chat').elements.message.value = ${JSON.stringify(text)}
        document.querySelector('#chat').requestSubmit()
      `)
    await say('hello')
    await page.until(`document.querySelectorAll('#chat-output li:not(.sent)').length === 1`)
    t.match(await page.evaluate(`document.querySelector('#chat-status').textContent`), /chat\.v1/)
    await say('ä €𝄞')
    await page.until(`document.querySelectorAll('#chat-output li:not(.sent)').length === 2`)
    t.equal(
      await page.evaluate(`document.querySelector('#chat-output li:last-child').textContent`),
      'ä €𝄞',
    )
    await page.evaluate(`document.querySelector('#chat').elements.close.click()`)
    await page.until(`document.querySelector('#chat-status').textContent === 'Closed with 1000.'`)
    await system.atRest('chat')
    t.match((await system.state('chat')).counters, { succeeded: 1 })
  })

  t.test('sends sound, and shows where speech is', async (t) => {
    await page.evaluate(`document.querySelector('#vad').elements.sample.click()`)
    await page.until(`document.querySelector('#vad-status').textContent === 'Speech 2 times.'`)
    const list = await page.evaluate(
      `[...document.querySelectorAll('#vad-segments li')].map((item) => item.textContent)`,
    )
    t.match(list, [/^0\.5\d s to 1\.[56]\d s$/, /^2\.[56]\d s to 5\.2\d s$/])
  })

  t.test('nothing failed on the way', async (t) => {
    t.same(page.faults, [])
  })

  t.test('says so when the token is refused', async (t) => {
    await page.evaluate(`
      document.querySelector('#token').value = 'nonsense'
      document.querySelector('#tokens').requestSubmit()
      document.querySelector('#chat').requestSubmit()
    `)
    await page.until(`document.querySelector('#tokens-status').textContent.startsWith('401: ')`)
    await page.until(`/Is the token good/.test(document.querySelector('#chat-status').textContent)`)
    t.ok(await page.evaluate(`document.querySelector('#chat-status').matches('.fault')`))
  })
})

t.test('a page of another origin, in Chromium', { skip }, async (t) => {
  const origin = await servePage(t)
  const system = await System.start(t, { gateway: { corsOrigins: [origin] } })
  await system.serveExamples('echo', 'tokens')
  const call = `
    (path, init) => fetch('${system.url}' + path, init).then(
      async (response) => ({
        status: response.status,
        callId: response.headers.get('x-call-id'),
        text: await response.text(),
      }),
      (error) => ({ error: error.name }),
    )
  `
  const withToken = `
    headers: {
      authorization: 'Bearer ${await system.token()}',
      'content-type': 'application/json',
      'x-own': 'yes',
    }
  `
  const echo = `(${call})('/echo', { method: 'POST', body: '{"a":1}', ${withToken} })`

  t.test('calls and reads answers, where it is listed', async (t) => {
    const page = await ChromiumPage.open(t, chromium!, origin)
    t.match(await page.evaluate(echo), { status: 200, callId: String, text: '{"a":1}' })
    const stream = `{ method: 'POST', body: '{"count":3,"intervalMs":1}', ${withToken} }`
    const tokens = await page.evaluate(`(${call})('/tokens', ${stream})`)
    t.match(tokens, { status: 200, text: /^data: / })
    t.same(page.faults, [])
    const error = await page.evaluate(`(${call})('/nowhere', { method: 'DELETE' })`)
    t.match(error, { status: 404, text: /No function has a route/ }, 'why it was refused')
  })

  t.test('cannot, where it is not', async (t) => {
    const page = await ChromiumPage.open(t, chromium!, origin.replace('127.0.0.1', 'localhost'))
    t.same(await page.evaluate(echo), { error: 'TypeError' })
    t.match(page.faults.join(), /CORS policy/)
    t.match(await page.evaluate(`(${call})('/nowhere')`), { error: 'TypeError' })
  })
})

/** An empty page; its origin. */
async function servePage(t: Test): Promise<string> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html')
    response.end('<!doctype html><link rel="icon" href="data:,">')
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
