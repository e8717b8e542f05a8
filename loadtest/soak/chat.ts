// A WebSocket of a soak: says some things, wants each back, and closes or goes away.

import WebSocket from 'ws'
import type { Caller } from './forms.js'
import { excused, fault, RIGHT, type Verdict } from './verdict.js'

const MOST_MESSAGES = 20
const MOST_PAUSE_MS = 100
const MOST_MESSAGE_CHARS = 20_000
const LEAVING_CHANCE = 0.2
const PATIENCE_MS = 60_000
const PROBLEM_CODE = /"code":"(\w+)"/

/** Codes that the gateway or the runner closes with, for lack of a better one. */
const CLOSES: Readonly<Record<number, Verdict>> = {
  1006: { outcome: 'connection lost', because: ['gateway killed'] },
  1011: { outcome: 'closed: 1011', because: ['runner killed', 'nats-server killed'] },
  1012: { outcome: 'closed: 1012', because: ['gateway restarted'] },
  1013: { outcome: 'closed: 1013', because: ['nats-server killed'] },
}

export function chat({ origin, authorization, random }: Caller, id: string): Promise<Verdict> {
  const url = `${origin.replace(/^http/, 'ws')}/chat`
  const socket = new WebSocket(url, { headers: { authorization }, perMessageDeflate: false })
  const messages = random.between(1, MOST_MESSAGES)
  const leavesAt = random.chance(LEAVING_CHANCE) ? random.between(1, messages) : undefined
  let said = 0
  let text = ''
  return new Promise((resolve) => {
    const timers: NodeJS.Timeout[] = []
    const finish = (verdict: Verdict) => {
      for (const timer of timers) clearTimeout(timer)
      resolve(verdict)
      socket.terminate()
    }
    timers.push(setTimeout(() => finish(fault(`hung for ${PATIENCE_MS} ms`)), PATIENCE_MS))
    const say = () => {
      if (socket.readyState !== WebSocket.OPEN) return
      said += 1
      text = `${id} ${said} ${'x'.repeat(random.between(0, MOST_MESSAGE_CHARS))}`
      socket.send(text)
      if (said === leavesAt) finish({ outcome: 'left' })
    }
    socket.on('open', say)
    socket.on('message', (data, isBinary) => {
      if (isBinary || String(data) !== text) return finish(fault('another message than was sent'))
      if (said === messages) socket.close(1000)
      else timers.push(setTimeout(say, random.between(0, MOST_PAUSE_MS)))
    })
    socket.on('unexpected-response', async (_request, response) => {
      const body = Buffer.concat(await response.toArray()).toString()
      finish(excused(PROBLEM_CODE.exec(body)?.[1] ?? `${response.statusCode} without a code`))
    })
    // Of a handshake that was cut; a socket that was open closes as well.
    socket.on('error', () => {
      if (said === 0) finish({ outcome: 'connection lost', because: ['gateway killed'] })
    })
    socket.on('close', (code) => {
      const isRight = code === 1000 && said === messages
      finish(isRight ? { outcome: RIGHT } : (CLOSES[code] ?? fault(`closed: ${code}`)))
    })
  })
}
