// The page's three parts, each one form and what comes of it.

import { call, closed, connect } from './callgate.js'
import { eventsOf } from './event-stream.js'
import { samplesOf } from './wav.js'

const find = (id) => document.querySelector(`#${id}`)

function say(id, text, isWell = true) {
  const status = find(id)
  status.textContent = text
  status.classList.toggle('fault', !isWell)
}

function add(list, text, name = '') {
  const item = document.createElement('li')
  item.textContent = text
  item.className = name
  list.append(item)
  list.scrollTop = list.scrollHeight
}

// ---- tokens --------------------------------------------------------------------------------------------

const tokens = find('tokens')
let streaming = new AbortController()

tokens.addEventListener('submit', async (event) => {
  event.preventDefault()
  streaming.abort()
  streaming = new AbortController()
  const { signal } = streaming
  const { text, count, intervalMs, stop } = tokens.elements
  const output = find('tokens-output')
  output.textContent = ''
  stop.disabled = false
  say('tokens-status', 'Streaming…')
  try {
    const request = {
      text: text.value,
      count: count.valueAsNumber,
      intervalMs: intervalMs.valueAsNumber,
    }
    const response = await call('/tokens', request, { accept: 'text/event-stream', signal })
    let received = 0
    for await (const { event, data } of eventsOf(response.body)) {
      if (event === 'error') throw new Error(JSON.parse(data).detail)
      output.append(`${JSON.parse(data).text} `)
      output.scrollTop = output.scrollHeight
      received++
    }
    say('tokens-status', `${received} events.`)
  } catch (error) {
    if (signal.aborted) say('tokens-status', 'Stopped.')
    else say('tokens-status', error.message, false)
  } finally {
    if (signal === streaming.signal) stop.disabled = true
  }
})

tokens.elements.stop.addEventListener('click', () => streaming.abort())

// ---- chat ----------------------------------------------------------------------------------------------

const chat = find('chat')
/** The connection, opened with the first message. */
let talking = null

chat.addEventListener('submit', async (event) => {
  event.preventDefault()
  const { message } = chat.elements
  const text = message.value
  try {
    talking ??= openChat()
    const socket = await talking
    socket.send(text)
    add(find('chat-output'), text, 'sent')
    message.value = ''
  } catch (error) {
    talking = null
    say('chat-status', error.message, false)
  }
})

async function openChat() {
  const socket = await connect('/chat', 'chat.v1')
  const { close } = chat.elements
  close.disabled = false
  say('chat-status', `Connected, ${socket.protocol}.`)
  socket.onmessage = ({ data }) => add(find('chat-output'), data)
  closed(socket).then(({ text, isWell }) => {
    talking = null
    close.disabled = true
    say('chat-status', text, isWell)
  })
  return socket
}

chat.elements.close.addEventListener('click', async () => (await talking)?.close(1000))

// ---- speech --------------------------------------------------------------------------------------------

/** A quarter of a second of sound. */
const PIECE_SAMPLES = 4_000
/** What may wait in the browser before it is given more, in bytes. */
const MAX_BUFFERED_BYTES = 64 * 1024

const vad = find('vad')

vad.addEventListener('submit', async (event) => {
  event.preventDefault()
  const [file] = vad.elements.file.files
  if (file === undefined) say('vad-status', 'Choose a file, or listen to the sample.', false)
  else await listenTo(() => file.arrayBuffer())
})

vad.elements.sample.addEventListener('click', () =>
  listenTo(async () => (await fetch('web/two-sentences.wav')).arrayBuffer()),
)

async function listenTo(read) {
  const list = find('vad-segments')
  list.textContent = ''
  say('vad-status', 'Listening…')
  try {
    const samples = samplesOf(await read())
    const segments = []
    draw(samples, segments)
    const socket = await connect('/vad', 'pcm.v1')
    socket.onmessage = ({ data }) => {
      const { type, ms } = JSON.parse(data)
      if (type === 'speech_start') segments.push({ fromMs: ms, toMs: null })
      else {
        segments.at(-1).toMs = ms
        add(list, `${(segments.at(-1).fromMs / 1000).toFixed(2)} s to ${(ms / 1000).toFixed(2)} s`)
      }
      draw(samples, segments)
    }
    const end = closed(socket)
    for (let at = 0; at < samples.length; at += PIECE_SAMPLES) {
      if (socket.readyState !== WebSocket.OPEN) break
      socket.send(samples.slice(at, at + PIECE_SAMPLES))
      while (socket.bufferedAmount > MAX_BUFFERED_BYTES) await pause(10)
    }
    socket.send('{"type":"end"}')
    const { text, isWell } = await end
    say('vad-status', isWell ? `Speech ${segments.length} times.` : text, isWell)
  } catch (error) {
    say('vad-status', error.message, false)
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function draw(samples, segments) {
  const canvas = find('vad-output')
  const { width, height } = canvas
  const style = getComputedStyle(canvas)
  const context = canvas.getContext('2d')
  const totalMs = samples.length / 16
  context.clearRect(0, 0, width, height)
  context.fillStyle = style.borderBottomColor
  for (const { fromMs, toMs } of segments) {
    const left = (fromMs / totalMs) * width
    context.fillRect(left, 0, ((toMs ?? totalMs) / totalMs) * width - left, height)
  }
  context.fillStyle = style.color
  const step = samples.length / width
  for (let x = 0; x < width; x++) {
    let peak = 0
    for (const sample of samples.subarray(x * step, (x + 1) * step)) {
      peak = Math.max(peak, Math.abs(sample))
    }
    const bar = Math.max(1, (peak / 32_768) * height)
    context.fillRect(x, (height - bar) / 2, 1, bar)
  }
}
