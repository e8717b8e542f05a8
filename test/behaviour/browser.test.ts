// A real browser and the examples' page: what works with a client library works where its users are, too.

import t from 'tap'
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
