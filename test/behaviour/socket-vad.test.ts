// The vad example finds speech where it is, however the sound is cut into messages.

import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { type SpeechEvent, SpeechSegments } from '../../examples/silero-vad/speech-segments.js'
import { SocketClient } from '../support/socket-client.js'
import { System } from '../support/system.js'

const system = await System.start(t)
await system.serveExamples('vad')
const token = await system.token()

/** A head of 44 bytes, then the samples: that is how this one was written. */
const pcm = (
  await readFile(new URL('../../../examples/audio/two-sentences.wav', import.meta.url))
).subarray(44)
const BYTES_PER_MS = 32

t.afterEach(() => system.atRest())

function open(t: Test): Promise<SocketClient> {
  return SocketClient.open(t, `${system.url}/vad`, {
    protocols: ['pcm.v1', `bearer.${token}`],
  })
}

async function eventsOf(client: SocketClient): Promise<SpeechEvent[]> {
  const events: SpeechEvent[] = []
  for (let next = await client.next(); next !== null; next = await client.next()) {
    events.push(JSON.parse(String(next)))
  }
  return events
}

/** Both sentences, give or take what the ear does not tell either. */
function areBothSentences(t: Test, events: readonly SpeechEvent[]): void {
  t.same(
    events.map(({ type }) => type),
    ['speech_start', 'speech_end', 'speech_start', 'speech_end'],
  )
  const expectedMs = [540, 1_620, 2_610, 5_240]
  for (const [index, ms] of expectedMs.entries()) {
    const found = events[index]?.ms ?? Number.NaN
    t.ok(Math.abs(found - ms) <= 100, `${found} ms, about ${ms}`)
  }
}

for (const messageBytes of [32, 640, 1_024, 8_000, 190_000]) {
  t.test(`two sentences, in messages of ${messageBytes} bytes`, async (t) => {
    const client = await open(t)
    for (let at = 0; at < pcm.length; at += messageBytes) {
      client.ws.send(pcm.subarray(at, at + messageBytes))
    }
    await client.send('{"type":"end"}')
    areBothSentences(t, await eventsOf(client))
    t.match(await client.closed, { code: 1000 })
  })
}

t.test('an event is there before the next sentence is', async (t) => {
  const client = await open(t)
  await client.send(pcm.subarray(0, 2_400 * BYTES_PER_MS))
  t.match(JSON.parse(String(await client.next())), { type: 'speech_start' })
  t.match(JSON.parse(String(await client.next())), { type: 'speech_end' })
  await client.close(1000)
})

t.test('speech that has no end yet ends with the recording', async (t) => {
  const client = await open(t)
  await client.send(pcm.subarray(0, 1_200 * BYTES_PER_MS))
  await client.send('{"type": "end"}')
  const events = await eventsOf(client)
  t.match(events, [{ type: 'speech_start' }, { type: 'speech_end', ms: 1_184 }])
})

t.test('connections do not hear each other', async (t) => {
  const [one, other] = [await open(t), await open(t)]
  const messageBytes = 3_200
  for (let at = 0; at < pcm.length; at += messageBytes) {
    await one.send(pcm.subarray(at, at + messageBytes))
    await other.send(Buffer.alloc(messageBytes))
  }
  await one.send('{"type":"end"}')
  await other.send('{"type":"end"}')
  areBothSentences(t, await eventsOf(one))
  t.same(await eventsOf(other), [])
})

t.test('half a sample is refused', async (t) => {
  const client = await open(t)
  await client.send(Buffer.alloc(641))
  t.match(await client.closed, { code: 1007, reason: /whole samples of 2 bytes.*641/ })
})

t.test('so is a text that is no end', async (t) => {
  for (const text of ['', 'end', '{"type":"stop"}', '{']) {
    const client = await open(t)
    await client.send(text)
    t.match(await client.closed, { code: 1007, reason: /binary messages/ })
  }
})

t.test('a client that leaves ends the listening', async (t) => {
  const client = await open(t)
  client.ws.send(pcm.subarray(0, 100_000))
  client.ws.terminate()
  await system.atRest('vad')
  t.pass()
})

// ---- the arithmetic ------------------------------------------------------------------------------------

const OPTIONS = { frameMs: 10, startAt: 0.5, endBelow: 0.3, minSpeechMs: 30, minSilenceMs: 50 }

/** One digit a frame: tenths of likelihood. */
function segmentsOf(digits: string): string {
  const segments = new SpeechSegments(OPTIONS)
  const events = [...digits].map((digit) => segments.push(Number(digit) / 10))
  return [...events, segments.end()]
    .flatMap((event) => (event === null ? [] : [`${event.type.slice(7)} ${event.ms}`]))
    .join(', ')
}

t.test('where speech begins and ends', async (t) => {
  for (const [digits, expected] of [
    ['', ''],
    ['0000000000', ''],
    ['0099999999000000000', 'start 20, end 100'],
    ['0099000990000', '', 'a click is no speech'],
    ['00999999990000999900000000', 'start 20, end 180', 'a breath is no end'],
    ['0099999444444444400000000', 'start 20, end 170', 'what wavers above the lower bound goes on'],
    ['0044444444', '', 'and does not begin'],
    ['00999999240204000000', 'start 20, end 80', 'an end may waver as well'],
    ['00999', 'start 20, end 50', 'the recording ends in speech'],
    ['0099900', 'start 20, end 50', 'and in the silence behind it'],
    ['0099', '', 'and before it is known to be speech'],
  ] as const) {
    t.equal(segmentsOf(digits), expected, digits)
  }
})
