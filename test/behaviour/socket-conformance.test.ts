// The framing of RFC 6455 and RFC 7692, by the families of cases of the Autobahn test suite, as bytes on a
// raw socket: what is right comes back as it was sent, what is wrong ends the connection. Each case runs
// against uWebSockets.js alone as well, and /chat has to do as well as that, or better.

import { createHash } from 'node:crypto'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import t from 'tap'
import { listen } from '../../gateway/front/listen.js'
import { loadUws } from '../../gateway/front/uws.js'
import {
  closePayload,
  type FrameParts,
  frameBytes,
  OPCODE,
  RawSocket,
  type Upgrade,
} from '../support/raw-socket.js'
import { System } from '../support/system.js'

const KIB = 1024
const MIB = 1024 * KIB
/** What the gateway allows the engine: twice the largest message of a function. */
const MAX_ENGINE_BYTES = 32 * MIB

interface Case {
  /** Numbered as in the suite. */
  readonly name: string
  /** Written one after the other, each by itself. */
  readonly writes: readonly Buffer[]
  /** Messages that come back: `text` or `binary` and the payload. */
  readonly messages?: readonly [kind: string, payload: Buffer][]
  readonly pongs?: readonly Buffer[]
  /**
   * `null`: the client closes when everything has come back. A code: the client has closed, and hears
   * this code. `fails`: the connection must end, with 1002, 1007 or without a word.
   */
  readonly end?: number | 'fails' | null
  readonly extensions?: string
  /** The engine alone takes the extensions that are offered; the gateway must not. */
  readonly isDeclined?: boolean
  /** Where the engine falls short of the RFC: why. The case then says what happens. */
  readonly limit?: string
}

interface Outcome {
  readonly messages: string[]
  readonly pongs: string[]
  readonly end: number | 'no code' | 'cut'
  readonly compressedMessages: number
}

const system = await System.start(t)
await system.serveExamples('chat')
const authorization = await system.authorization()

const uws = await loadUws()
const app = uws.App()
app.ws('/*', {
  maxPayloadLength: MAX_ENGINE_BYTES,
  maxBackpressure: 0,
  compression: uws.SHARED_COMPRESSOR,
  message: (ws, message, isBinary) => void ws.send(message, isBinary, true),
})
const barePort = uws.us_socket_local_port(
  await listen(uws, app, '127.0.0.1', 0, { flag: '--port' }),
)
t.teardown(() => app.close())

const cases: Case[] = [
  ...framing(),
  ...pings(),
  ...reservedBits(),
  ...reservedOpcodes(),
  ...fragmentation(),
  ...utf8(),
  ...closing(),
  ...limits(),
  ...compression(),
]

for (const each of cases) {
  t.test(each.name, async (t) => {
    const bare = await run(barePort, each, {})
    const chat = await run(system.port, each, {
      path: '/chat',
      headers: { Authorization: authorization },
    })
    const { messages = [], pongs = [], end = null } = each
    if (end === 'fails') {
      t.ok([1002, 1007, 1009, 'cut'].includes(chat.end), `ended with ${chat.end}`)
      // What was right before the fault may have come back or not.
      t.same(chat.messages, messages.map(digestOf).slice(0, chat.messages.length))
    } else {
      t.same(chat.messages, messages.map(digestOf))
      t.equal(chat.end, end === 1005 ? 'no code' : (end ?? 1000))
    }
    t.same(chat.pongs, pongs.map(hexOf))
    if (each.isDeclined) t.equal(chat.compressedMessages, 0)
    t.equal(chat.end, bare.end, 'ends as the engine alone does')
    if (end !== 'fails') t.same(chat.messages, bare.messages)
  })
}

t.test('and nothing is left of any of them', () => system.atRest('chat'))

// ---- one case against one server ---------------------------------------------------------------------

async function run(port: number, each: Case, upgrade: Upgrade): Promise<Outcome> {
  const offer = each.extensions === undefined ? {} : { 'Sec-WebSocket-Extensions': each.extensions }
  const socket = await RawSocket.open(t, port, {
    ...upgrade,
    headers: { ...upgrade.headers, ...offer },
  })
  const outcome = collect(socket, each)
  for (const [index, bytes] of each.writes.entries()) {
    await socket.write(bytes)
    // Small writes one by one would otherwise arrive together, now and then.
    if (index % 16 === 15) await new Promise((resolve) => setImmediate(resolve))
  }
  return outcome
}

/** Reads to the end; closes itself when everything is there that should come. */
async function collect(socket: RawSocket, each: Case): Promise<Outcome> {
  const { messages: expected = [], pongs: expectedPongs = [], end = null } = each
  const messages: string[] = []
  const pongs: string[] = []
  let pieces: Buffer[] = []
  let kind = ''
  let isCompressed = false
  let compressedMessages = 0
  const closeWhenDone = () => {
    const isDone = messages.length >= expected.length && pongs.length >= expectedPongs.length
    if (end === null && isDone)
      void socket.send({ opcode: OPCODE.close, payload: closePayload(1000) })
  }
  closeWhenDone()
  for (;;) {
    const frame = await socket.frame()
    if (frame === null) return { messages, pongs, end: 'cut', compressedMessages }
    const { opcode, payload, isLast, reserved } = frame
    if (opcode === OPCODE.close) {
      if (end === 'fails') await socket.send({ opcode: OPCODE.close, payload })
      socket.socket.end()
      await socket.closed
      const code = payload.length < 2 ? 'no code' : payload.readUInt16BE()
      return { messages, pongs, end: code, compressedMessages }
    }
    if (opcode === OPCODE.pong) {
      pongs.push(hexOf(payload))
    } else {
      if (opcode !== OPCODE.continuation) {
        kind = opcode === OPCODE.text ? 'text' : 'binary'
        isCompressed = reserved === 4
        if (isCompressed) compressedMessages++
        pieces = []
      }
      pieces.push(payload)
      if (!isLast) continue
      const whole = Buffer.concat(pieces)
      messages.push(digestOf([kind, isCompressed ? inflated(whole) : whole]))
    }
    closeWhenDone()
  }
}

function digestOf([kind, payload]: readonly [string, Buffer]): string {
  const hash = createHash('sha1').update(payload).digest('hex').slice(0, 12)
  return `${kind} ${payload.length} ${hash}`
}

function hexOf(payload: Buffer): string {
  return payload.toString('hex')
}

// ---- the cases -----------------------------------------------------------------------------------------

function text(payload: string | Buffer): [string, Buffer] {
  return ['text', Buffer.from(payload as string)]
}

function binary(payload: Buffer): [string, Buffer] {
  return ['binary', payload]
}

/** One buffer of several frames. */
function frames(...parts: FrameParts[]): Buffer {
  return Buffer.concat(parts.map(frameBytes))
}

function chopped(bytes: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
  return pieces
}

function framing(): Case[] {
  const sizes = [0, 125, 126, 127, 128, 65_535, 65_536]
  const kinds = ['text', 'binary'] as const
  return kinds.flatMap((kind, at) => {
    const payloadOf = (bytes: number) => Buffer.alloc(bytes, kind === 'text' ? '*' : 0xfe)
    const frameOf = (bytes: number) =>
      frameBytes({ opcode: OPCODE[kind], payload: payloadOf(bytes) })
    return [
      ...sizes.map((bytes, index) => ({
        name: `1.${at + 1}.${index + 1} ${kind} of ${bytes} bytes`,
        writes: [frameOf(bytes)],
        messages: [[kind, payloadOf(bytes)]] as [string, Buffer][],
      })),
      {
        name: `1.${at + 1}.8 ${kind} of 65536 bytes, in pieces of 997`,
        writes: chopped(frameOf(65_536), 997),
        messages: [[kind, payloadOf(65_536)]],
      },
      {
        name: `1.${at + 1}.9 ${kind} with a longer length field than it needs`,
        writes: [frameBytes({ opcode: OPCODE[kind], payload: payloadOf(5), lengthBytes: 8 })],
        messages: [[kind, payloadOf(5)]],
      },
    ]
  })
}

function pings(): Case[] {
  const hello = Buffer.from('Hello, world!')
  const bytes = Buffer.from('00fffefdfcfb00ff', 'hex')
  const largest = Buffer.alloc(125, 0xfe)
  const tooLarge = frameBytes({ opcode: OPCODE.ping, payload: Buffer.alloc(126), lengthBytes: 2 })
  const ten = Array.from({ length: 10 }, (_, index) => Buffer.from(`payload-${index}`))
  const tenPings = frames(...ten.map((payload) => ({ opcode: OPCODE.ping, payload })))
  const ping = (payload: Buffer) => frameBytes({ opcode: OPCODE.ping, payload })
  const pong = (payload: Buffer) => frameBytes({ opcode: OPCODE.pong, payload })
  const empty = Buffer.alloc(0)
  return [
    { name: '2.1 a ping', writes: [ping(empty)], pongs: [empty] },
    { name: '2.2 with text', writes: [ping(hello)], pongs: [hello] },
    { name: '2.3 with bytes', writes: [ping(bytes)], pongs: [bytes] },
    { name: '2.4 with the most bytes', writes: [ping(largest)], pongs: [largest] },
    { name: '2.5 with more', writes: [tooLarge], end: 'fails' },
    { name: '2.6 byte by byte', writes: chopped(ping(largest), 1), pongs: [largest] },
    { name: '2.7 a pong that nobody asked for', writes: [pong(empty)] },
    { name: '2.8 with text', writes: [pong(hello)] },
    { name: '2.9 and a ping', writes: [pong(hello), ping(hello)], pongs: [hello] },
    { name: '2.10 ten pings', writes: [tenPings], pongs: ten },
    { name: '2.11 byte by byte', writes: chopped(tenPings, 1), pongs: ten },
  ]
}

function reservedBits(): Case[] {
  const hello = Buffer.from('Hello, world!')
  const good = frameBytes({ opcode: OPCODE.text, payload: hello })
  const of = (reserved: number, opcode: number) => frameBytes({ opcode, payload: hello, reserved })
  return [
    { name: '3.1 RSV3', writes: [of(1, OPCODE.text)], end: 'fails' },
    {
      name: '3.2 RSV2 behind a message',
      writes: [good, of(2, OPCODE.text)],
      messages: [text(hello)],
      end: 'fails',
    },
    {
      name: '3.3 RSV1 without an extension',
      writes: [Buffer.concat([good, of(4, OPCODE.text)])],
      messages: [text(hello)],
      end: 'fails',
    },
    {
      name: '3.4 RSV1 and RSV3, byte by byte',
      writes: chopped(of(5, OPCODE.text), 1),
      end: 'fails',
    },
    { name: '3.5 RSV2 and RSV3, bytes', writes: [of(3, OPCODE.binary)], end: 'fails' },
    { name: '3.6 RSV1 and RSV2, a ping', writes: [of(6, OPCODE.ping)], end: 'fails' },
    { name: '3.7 all of them, a close', writes: [of(7, OPCODE.close)], end: 'fails' },
  ]
}

function reservedOpcodes(): Case[] {
  const hello = Buffer.from('Hello, world!')
  const good = frameBytes({ opcode: OPCODE.text, payload: hello })
  return [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode): Case[] => {
    const family = opcode < 8 ? `4.1.${opcode - 2}` : `4.2.${opcode - 10}`
    const bad = frameBytes({ opcode })
    const full = frameBytes({ opcode, payload: hello })
    return [
      { name: `${family} opcode ${opcode}`, writes: [bad], end: 'fails' },
      { name: `${family} opcode ${opcode} with a payload`, writes: [full], end: 'fails' },
      {
        name: `${family} opcode ${opcode} between two messages, byte by byte`,
        writes: chopped(Buffer.concat([good, full, good]), 1),
        messages: [text(hello)],
        end: 'fails',
      },
    ]
  })
}

function fragmentation(): Case[] {
  const { continuation, ping, pong } = OPCODE
  const one = { opcode: OPCODE.text, payload: 'fragment1', isLast: false }
  const middle = { opcode: continuation, payload: 'fragment2', isLast: false }
  const last = { opcode: continuation, payload: 'fragment2' }
  const both = [text('fragment1fragment2')]
  const asked = Buffer.from('ping payload')
  const aPing = { opcode: ping, payload: asked }
  const orphan = (isLast: boolean) => ({ opcode: continuation, payload: 'orphan', isLast })
  const good = { opcode: OPCODE.text, payload: 'Hello' }
  const many = Array.from({ length: 5 }, (_, index) => ({
    opcode: index === 0 ? OPCODE.text : continuation,
    payload: `fragment${index}`,
    isLast: index === 4,
  }))
  const all = text('fragment0fragment1fragment2fragment3fragment4')
  return [
    {
      name: '5.1 a ping in fragments',
      writes: [frames({ ...aPing, isLast: false }, last)],
      end: 'fails',
    },
    {
      name: '5.2 a pong in fragments',
      writes: [frames({ opcode: pong, payload: 'x', isLast: false }, last)],
      end: 'fails',
    },
    { name: '5.3 two fragments', writes: [frames(one), frames(last)], messages: both },
    { name: '5.4 in one write', writes: [frames(one, last)], messages: both },
    { name: '5.5 byte by byte', writes: chopped(frames(one, last), 1), messages: both },
    {
      name: '5.6 with a ping in between',
      writes: [frames(one), frames(aPing), frames(last)],
      messages: both,
      pongs: [asked],
    },
    {
      name: '5.7 in one write',
      writes: [frames(one, aPing, last)],
      messages: both,
      pongs: [asked],
    },
    {
      name: '5.8 byte by byte',
      writes: chopped(frames(one, aPing, last), 1),
      messages: both,
      pongs: [asked],
    },
    { name: '5.9 nothing to continue', writes: [frames(orphan(true))], end: 'fails' },
    { name: '5.10 with a message behind it', writes: [frames(orphan(true), good)], end: 'fails' },
    { name: '5.11 byte by byte', writes: chopped(frames(orphan(true), good), 1), end: 'fails' },
    { name: '5.12 nor to begin', writes: [frames(orphan(false))], end: 'fails' },
    { name: '5.13 with a message behind it', writes: [frames(orphan(false), good)], end: 'fails' },
    { name: '5.14 byte by byte', writes: chopped(frames(orphan(false), good), 1), end: 'fails' },
    {
      name: '5.15 one continuation too many',
      writes: [frames(one, last, orphan(false), good)],
      messages: both,
      end: 'fails',
    },
    {
      name: '5.16 twice nothing to continue',
      writes: [frames(orphan(false), one, last, orphan(false), one, last)],
      end: 'fails',
    },
    {
      name: '5.17 twice, whole',
      writes: [frames(orphan(true), one, last, orphan(true), one, last)],
      end: 'fails',
    },
    {
      name: '5.18 a message inside another',
      writes: [frames(one, { opcode: OPCODE.text, payload: 'fragment2' })],
      end: 'fails',
    },
    {
      name: '5.19 five fragments with pings in between',
      writes: many.flatMap((part) => [frames(part), frames(aPing)]),
      messages: [all],
      pongs: Array(5).fill(asked),
    },
    {
      name: '5.20 in one write',
      writes: [frames(...many.flatMap((part) => [part, aPing]))],
      messages: [all],
      pongs: Array(5).fill(asked),
    },
    {
      name: '5.21 empty fragments',
      writes: [
        frames(
          { opcode: OPCODE.text, isLast: false },
          { opcode: continuation, isLast: false },
          { opcode: continuation },
        ),
      ],
      messages: [text('')],
    },
    {
      name: '5.22 a hundred fragments of a byte',
      writes: [
        frames(
          { opcode: OPCODE.binary, isLast: false },
          ...Array.from({ length: 100 }, (_, index) => ({
            opcode: continuation,
            payload: Buffer.of(index),
            isLast: index === 99,
          })),
        ),
      ],
      messages: [binary(Buffer.from(Array.from({ length: 100 }, (_, index) => index)))],
    },
    { name: '5.23 the beginning only, then a close', writes: [frames(one, middle)] },
  ]
}

function utf8(): Case[] {
  const valid = {
    '6.1 nothing': '',
    '6.2 κόσμε': 'κόσμε',
    '6.5 the first of each length': '\0\u0080\u0800\u{10000}',
    '6.7 the last of each length': '\u007f\u07ff\uffff\u{10ffff}',
    '6.9 around the surrogates': '\ud7ff\ue000\ufffd',
    '6.22 noncharacters': '\ufffe\uffff\u{1fffe}\u{10fffe}\ufdd0',
    '6.23 a byte order mark': '\ufeffHello',
  }
  const invalid = {
    '6.3 κόσμε with a surrogate': 'cebae1bdb9cf83cebcceb5eda080656469746564',
    '6.6 cut in a character': 'cebae1bdb9cf83cebcceb5f4',
    '6.8 five bytes': 'f888808080',
    '6.8 six bytes': 'fc8480808080',
    '6.10 above U+10FFFF': 'f4908080',
    '6.12 a continuation alone': '80',
    '6.13 a beginning alone': 'c020',
    '6.14 three bytes of four': 'f09f98',
    '6.15 two of three': 'e282',
    '6.16 FE': 'fe',
    '6.16 FF': 'ff',
    '6.17 overlong': 'c0af',
    '6.18 overlong, three bytes': 'e080af',
    '6.18 overlong, four bytes': 'f08080af',
    '6.19 overlong zero': 'c080',
    '6.20 a surrogate': 'eda080',
    '6.21 two surrogates': 'eda080edb080',
  }
  return [
    ...Object.entries(valid).flatMap(([name, string]): Case[] => {
      const payload = Buffer.from(string)
      const pieces = chopped(payload, 1)
      return [
        { name, writes: [frames({ opcode: OPCODE.text, payload })], messages: [text(payload)] },
        {
          name: `${name}, a fragment a byte`,
          writes: [
            frames(
              { opcode: OPCODE.text, isLast: false },
              ...pieces.map((piece) => ({
                opcode: OPCODE.continuation,
                payload: piece,
                isLast: false,
              })),
              { opcode: OPCODE.continuation },
            ),
          ],
          messages: [text(payload)],
        },
      ]
    }),
    ...Object.entries(invalid).flatMap(([name, hex]): Case[] => {
      const payload = Buffer.from(hex, 'hex')
      return [
        { name, writes: [frames({ opcode: OPCODE.text, payload })], end: 'fails' },
        {
          name: `${name}, in two fragments`,
          writes: [
            frames(
              { opcode: OPCODE.text, payload: payload.subarray(0, 1), isLast: false },
              { opcode: OPCODE.continuation, payload: payload.subarray(1) },
            ),
          ],
          end: 'fails',
        },
        {
          name: `${name}, as bytes`,
          writes: [frames({ opcode: OPCODE.binary, payload })],
          messages: [binary(payload)],
        },
      ]
    }),
  ]
}

function closing(): Case[] {
  const close = (payload: Buffer | string = '') => ({ opcode: OPCODE.close, payload })
  const normal = close(closePayload(1000))
  const hello = { opcode: OPCODE.text, payload: 'Hello' }
  const large = Buffer.alloc(256 * KIB, '*')
  const codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 4000, 4999]
  const noCodes = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535]
  return [
    { name: '7.1.1 a message, then a close', writes: [frames(hello)], messages: [text('Hello')] },
    { name: '7.1.2 two closes', writes: [frames(normal, normal)], end: 1000 },
    {
      name: '7.1.3 a ping behind the close',
      writes: [frames(normal, { opcode: OPCODE.ping })],
      end: 1000,
    },
    { name: '7.1.4 a message behind the close', writes: [frames(normal, hello)], end: 1000 },
    {
      name: '7.1.5 a close in the middle of a message',
      writes: [frames({ ...hello, isLast: false }, normal)],
      end: 1000,
    },
    {
      name: '7.1.6 a large message first',
      writes: [frames({ opcode: OPCODE.text, payload: large })],
      messages: [text(large)],
    },
    { name: '7.3.1 no code', writes: [frames(close())], end: 1005 },
    {
      name: '7.3.2 half a code',
      writes: [frames(close(Buffer.of(3)))],
      end: 1005,
      limit: 'the engine answers instead of failing',
    },
    { name: '7.3.3 a code', writes: [frames(normal)], end: 1000 },
    { name: '7.3.4 and a reason', writes: [frames(close(closePayload(1000, 'Hello')))], end: 1000 },
    {
      name: '7.3.5 the longest',
      writes: [frames(close(closePayload(1000, '*'.repeat(123))))],
      end: 1000,
    },
    {
      name: '7.3.6 a longer one',
      writes: [frameBytes({ ...close(closePayload(1000, '*'.repeat(124))), lengthBytes: 2 })],
      end: 'fails',
    },
    {
      name: '7.5.1 a reason that is no UTF-8',
      writes: [frames(close(closePayload(1000, Buffer.from('eda080', 'hex'))))],
      end: 1005,
      limit: 'as 7.3.2',
    },
    ...codes.map(
      (code, index): Case => ({
        name: `7.7.${index + 1} code ${code}`,
        writes: [frames(close(closePayload(code)))],
        end: code,
      }),
    ),
    ...[3000, 3999].map(
      (code): Case => ({
        name: `7.7 code ${code}`,
        writes: [frames(close(closePayload(code)))],
        end: 1005,
        limit: 'the engine holds 1012 to 3999 for invalid',
      }),
    ),
    ...noCodes.map(
      (code, index): Case => ({
        name: `7.9.${index + 1} code ${code}, which is none`,
        writes: [frames(close(closePayload(code)))],
        end: 1005,
        limit: 'as 7.3.2',
      }),
    ),
  ]
}

function limits(): Case[] {
  return (['text', 'binary'] as const).flatMap((kind, at): Case[] => {
    const opcode = OPCODE[kind]
    const payloadOf = (bytes: number) => Buffer.alloc(bytes, kind === 'text' ? 'a€' : 0xab)
    const megabyte = payloadOf(4 * MIB).subarray(0, 4 * MIB - ((4 * MIB) % 4))
    const inFragments = (bytes: number) =>
      frames(
        { opcode, isLast: false },
        ...chopped(megabyte, bytes).map((payload) => ({
          opcode: OPCODE.continuation,
          payload,
          isLast: false,
        })),
        { opcode: OPCODE.continuation },
      )
    return [
      ...[64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB].map((bytes, index): Case => {
        const payload = payloadOf(bytes)
        return {
          name: `9.${at + 1}.${index + 1} ${kind} of ${bytes / KIB} KiB`,
          writes: [frameBytes({ opcode, payload })],
          messages: [[kind, payload]],
        }
      }),
      ...[256, 4 * KIB, 64 * KIB, MIB].map(
        (bytes, index): Case => ({
          name: `9.${at + 3}.${index + 1} 4 MiB of ${kind} in fragments of ${bytes} bytes`,
          writes: [inFragments(bytes)],
          messages: [[kind, megabyte]],
        }),
      ),
      {
        name: `9.${at + 5}.1 1 MiB of ${kind} in pieces of 1024 bytes`,
        writes: chopped(frameBytes({ opcode, payload: payloadOf(MIB) }), KIB),
        messages: [[kind, payloadOf(MIB)]],
      },
      {
        name: `10.1.${at + 1} 64 KiB of ${kind} in fragments of 1300 bytes`,
        writes: [
          frames(
            { opcode, isLast: false },
            ...chopped(payloadOf(64 * KIB), 1_300).map((payload) => ({
              opcode: OPCODE.continuation,
              payload,
              isLast: false,
            })),
            { opcode: OPCODE.continuation },
          ),
        ],
        messages: [[kind, payloadOf(64 * KIB)]],
      },
    ]
  })
}

function compression(): Case[] {
  const offers = [
    'permessage-deflate',
    'permessage-deflate; client_no_context_takeover; server_no_context_takeover',
    'permessage-deflate; client_max_window_bits',
    'permessage-deflate; client_max_window_bits=9; client_no_context_takeover',
    'permessage-deflate; server_max_window_bits=15, permessage-deflate',
  ]
  const sizes = [0, 16, 64, 256, 1_024, 16_384, 65_536, 262_144]
  const json = '{"name":"value","list":[1,2,3],"nested":{"deep":true}},'
  const compressed = (payload: Buffer, opcode: number) => ({
    opcode,
    payload: deflated(payload),
    reserved: 4,
  })
  const hello = Buffer.from('Hello, world! '.repeat(50))
  const [offer] = offers
  return [
    ...offers.flatMap((extensions, at) =>
      sizes.map((bytes, index): Case => {
        const payload = Buffer.alloc(bytes, json)
        return {
          name: `12.${at + 1}.${index + 1} ${bytes} bytes, offered ${extensions}`,
          extensions,
          writes: Array.from({ length: 5 }, () => frames(compressed(payload, OPCODE.text))),
          messages: Array.from({ length: 5 }, () => text(payload)),
        }
      }),
    ),
    ...sizes.map((bytes, index): Case => {
      const payload = Buffer.alloc(bytes, json)
      return {
        name: `12.6.${index + 1} ${bytes} bytes, offered a window that the engine does not keep`,
        extensions: 'permessage-deflate; server_max_window_bits=9',
        isDeclined: true,
        writes: Array.from({ length: 5 }, () => frames({ opcode: OPCODE.text, payload })),
        messages: Array.from({ length: 5 }, () => text(payload)),
      }
    }),
    {
      name: '13.1 a compressed message in fragments',
      extensions: offer!,
      writes: [
        frames(
          ...chopped(deflated(hello), 7).map((payload, index, all) => ({
            opcode: index === 0 ? OPCODE.text : OPCODE.continuation,
            payload,
            reserved: index === 0 ? 4 : 0,
            isLast: index === all.length - 1,
          })),
        ),
      ],
      messages: [text(hello)],
    },
    {
      name: '13.2 a message that is not compressed, though it might be',
      extensions: offer!,
      writes: [frames({ opcode: OPCODE.text, payload: hello })],
      messages: [text(hello)],
    },
    {
      name: '13.3 both in turn',
      extensions: offer!,
      writes: [
        frames(
          compressed(hello, OPCODE.binary),
          { opcode: OPCODE.binary, payload: hello },
          compressed(hello, OPCODE.text),
        ),
      ],
      messages: [binary(hello), binary(hello), text(hello)],
    },
    {
      name: '13.4 a ping between compressed fragments',
      extensions: offer!,
      writes: [
        frames(
          {
            opcode: OPCODE.text,
            payload: deflated(hello).subarray(0, 5),
            reserved: 4,
            isLast: false,
          },
          { opcode: OPCODE.ping, payload: 'x' },
          { opcode: OPCODE.continuation, payload: deflated(hello).subarray(5) },
        ),
      ],
      messages: [text(hello)],
      pongs: [Buffer.from('x')],
    },
    {
      name: '13.5 bytes that are no deflate',
      extensions: offer!,
      writes: [frames({ opcode: OPCODE.binary, payload: Buffer.alloc(100, 0xff), reserved: 4 })],
      end: 'fails',
    },
    {
      name: '13.6 RSV1 on a continuation',
      extensions: offer!,
      writes: [
        frames(
          {
            opcode: OPCODE.text,
            payload: deflated(hello).subarray(0, 5),
            reserved: 4,
            isLast: false,
          },
          { opcode: OPCODE.continuation, payload: deflated(hello).subarray(5), reserved: 4 },
        ),
      ],
      end: 'fails',
    },
    {
      name: '13.7 RSV2 stays a fault',
      extensions: offer!,
      writes: [frames({ opcode: OPCODE.text, payload: hello, reserved: 2 })],
      end: 'fails',
    },
    {
      name: '13.8 invalid UTF-8 under the compression',
      extensions: offer!,
      writes: [frames(compressed(Buffer.from('eda080', 'hex'), OPCODE.text))],
      end: 'fails',
    },
    {
      name: '13.9 a small message that would become too large',
      extensions: offer!,
      writes: [frames(compressed(Buffer.alloc(MAX_ENGINE_BYTES + 1), OPCODE.binary))],
      end: 'fails',
    },
  ]
}

/** As RFC 7692 sends it: flushed, and without the flush's last four bytes. */
function deflated(payload: Buffer): Buffer {
  const bytes = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH, windowBits: 15 })
  return bytes.subarray(0, -4)
}

function inflated(payload: Buffer): Buffer {
  const bytes = Buffer.concat([payload, Buffer.from('0000ffff', 'hex')])
  return inflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH })
}
