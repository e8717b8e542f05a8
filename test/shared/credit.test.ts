import t from 'tap'
import { Allowance, CreditBudget, ReceiveWindow } from '../../shared/credit.js'
import { type Random, seededRandom } from './seeded-random.js'

const KIB = 1024
const MIB = 1024 * KIB
const LIMITS = { leastBytes: 4 * KIB, maxBytes: 2 * MIB }
const INITIAL_BYTES = 16 * KIB

/** Both ends of one body, on a wire that takes no time. */
class Stream {
  readonly window: ReceiveWindow
  readonly allowance: Allowance
  /** Stands still unless a test turns it. */
  readonly clock = { nowMs: 0 }
  consumedBytes = 0

  constructor(budget: CreditBudget) {
    const initialBytes = budget.reserve(INITIAL_BYTES, LIMITS.leastBytes)
    this.window = new ReceiveWindow(budget, initialBytes, LIMITS, () => this.clock.nowMs)
    this.allowance = new Allowance(initialBytes)
  }

  get heldBytes(): number {
    return this.allowance.bytes + this.window.unreadBytes
  }

  send(bytes: number): void {
    const allowed = this.allowance.take(bytes)
    if (!this.window.receive(allowed)) throw new Error('What was granted was refused.')
  }

  sendAll(): void {
    this.send(this.allowance.bytes)
  }

  consume(bytes: number): void {
    const grantBytes = this.window.consume(bytes)
    if (grantBytes < 0) throw new Error(`A grant of ${grantBytes} bytes.`)
    this.allowance.grant(grantBytes)
    this.consumedBytes += bytes
  }
}

t.test('a budget lends what it has, and the least even when it has nothing', (t) => {
  const budget = new CreditBudget(10)
  t.equal(budget.reserve(6, 1), 6)
  t.equal(budget.reserve(6, 1), 4)
  t.equal(budget.reserve(6, 1), 1)
  t.equal(budget.freeBytes, -1)
  t.equal(budget.reserve(6, 2), 2, 'a debt changes nothing about the least')
  t.equal(budget.reserve(6, 0), 0, 'and never becomes a negative grant')
  budget.give(13)
  t.equal(budget.freeBytes, 10)
  t.equal(budget.totalBytes, 10)
  t.end()
})

t.test('an allowance hands out what was granted and no more', (t) => {
  const allowance = new Allowance(10)
  t.equal(allowance.take(4), 4)
  t.equal(allowance.take(10), 6)
  t.equal(allowance.take(1), 0)
  allowance.grant(3)
  t.equal(allowance.bytes, 3)
  t.equal(allowance.take(0), 0)
  t.equal(allowance.take(3), 3)
  t.end()
})

t.test('bytes beyond the grant are refused and not counted', (t) => {
  const budget = new CreditBudget(MIB)
  const window = windowOf(budget)
  t.ok(window.receive(INITIAL_BYTES))
  t.notOk(window.receive(1))
  t.equal(window.unreadBytes, INITIAL_BYTES)
  t.ok(window.receive(0), 'nothing is never too much')
  t.end()
})

t.test(
  'a closed window has given everything back, and closing or reading on changes nothing',
  (t) => {
    const budget = new CreditBudget(MIB)
    const window = windowOf(budget)
    window.receive(5 * KIB)
    window.consume(2 * KIB)
    window.close()
    t.equal(budget.freeBytes, MIB)
    window.close()
    t.equal(window.consume(3 * KIB), 0, 'no grant after the end')
    t.equal(budget.freeBytes, MIB)
    t.notOk(window.receive(1), 'no byte is welcome after the end')
    t.end()
  },
)

t.test('a grant is worth its frame', (t) => {
  const budget = new CreditBudget(64 * MIB)
  const window = windowOf(budget)
  let sentBytes = 0
  let grants = 0
  const allowance = new Allowance(INITIAL_BYTES)
  while (sentBytes < 16 * MIB) {
    const bytes = allowance.take(100)
    if (!window.receive(bytes)) return t.fail('what was granted was refused')
    sentBytes += bytes
    const grantBytes = window.consume(bytes)
    if (grantBytes > 0) grants++
    allowance.grant(grantBytes)
  }
  t.ok(grants < (16 * MIB) / (4 * KIB), `${grants} grants for 16 MiB in pieces of 100 bytes`)
  t.end()
})

/** Rounds of a sender that waits for credit, `roundMs` each; `atOnceBytes` is what the consumer takes in one. */
function run(stream: Stream, rounds: number, roundMs: number, atOnceBytes = Infinity): void {
  for (let round = 0; round < rounds; round++) {
    stream.clock.nowMs += roundMs
    stream.sendAll()
    stream.consume(Math.min(stream.window.unreadBytes, atOnceBytes))
  }
}

t.test('the window of a fast consumer grows to its largest', (t) => {
  const stream = new Stream(new CreditBudget(64 * MIB))
  run(stream, 20, 10)
  t.equal(stream.heldBytes, LIMITS.maxBytes)
  t.end()
})

t.test('also where a round trip takes long', (t) => {
  const stream = new Stream(new CreditBudget(64 * MIB))
  run(stream, 20, 150)
  t.equal(stream.heldBytes, LIMITS.maxBytes)
  t.end()
})

t.test('the window of a slow consumer stays as small as it began', (t) => {
  const stream = new Stream(new CreditBudget(64 * MIB))
  // The sender is always ahead: whatever is granted arrives before the consumer takes its next sip.
  run(stream, 10_000, 0.1, KIB)
  t.ok(stream.heldBytes <= INITIAL_BYTES, `${stream.heldBytes} bytes are held, in haste`)
  run(stream, 10_000, 10, KIB)
  t.ok(stream.heldBytes <= INITIAL_BYTES, `${stream.heldBytes} bytes are held, at leisure`)
  t.end()
})

t.test('the window of a slow sender stays as small, however quickly it is emptied', (t) => {
  const stream = new Stream(new CreditBudget(64 * MIB))
  for (let round = 0; round < 2_000; round++) {
    stream.clock.nowMs += 10
    stream.send(KIB)
    stream.consume(KIB)
  }
  t.ok(stream.heldBytes <= 2 * INITIAL_BYTES, `${stream.heldBytes} bytes are held`)
  t.end()
})

t.test('a consumer that has been fast and stalls holds one window, no more', (t) => {
  const budget = new CreditBudget(64 * MIB)
  const stream = new Stream(budget)
  run(stream, 20, 1)
  stream.sendAll()
  t.equal(stream.window.unreadBytes, LIMITS.maxBytes)
  t.equal(stream.allowance.bytes, 0)
  t.equal(budget.freeBytes, budget.totalBytes - LIMITS.maxBytes)
  t.end()
})

t.test('and one that goes on slowly gives it back, down to what it began with', (t) => {
  const budget = new CreditBudget(64 * MIB)
  const stream = new Stream(budget)
  run(stream, 20, 1)
  run(stream, 3_000, 100, KIB)
  t.ok(stream.heldBytes <= INITIAL_BYTES, `${stream.heldBytes} bytes are held`)
  t.equal(budget.freeBytes, budget.totalBytes - stream.heldBytes)
  t.end()
})

t.test('a few that were fast and are stuck leave room for the next', (t) => {
  const budget = new CreditBudget(4 * LIMITS.maxBytes)
  for (let count = 1; count <= 6; count++) {
    const stream = new Stream(budget)
    run(stream, 20, 1)
    stream.sendAll()
    t.ok(stream.heldBytes >= 256 * KIB, `number ${count} holds ${stream.heldBytes} bytes`)
  }
  t.ok(budget.freeBytes > 0)
  t.end()
})

t.test('several that are fast share what one would have, in equal parts', (t) => {
  const budget = new CreditBudget(64 * MIB)
  const streams = Array.from({ length: 10 }, () => new Stream(budget))
  for (let round = 0; round < 200; round++) for (const stream of streams) run(stream, 1, 1)
  const lentBytes = budget.totalBytes - budget.freeBytes
  t.ok(lentBytes <= 11 * MIB, `${lentBytes} bytes are lent, of 20 MiB that they would take`)
  const held = streams.map((stream) => stream.heldBytes)
  t.ok(Math.min(...held) >= 512 * KIB, `the least has ${Math.min(...held)} bytes`)
  t.ok(Math.max(...held) <= 2 * Math.min(...held), `the largest has ${Math.max(...held)} bytes`)
  t.end()
})

t.test('what many small streams began with is not theirs to share', (t) => {
  const budget = new CreditBudget(64 * MIB)
  const small = Array.from({ length: 1000 }, () => new Stream(budget))
  const stream = new Stream(budget)
  run(stream, 20, 1)
  t.equal(stream.heldBytes, LIMITS.maxBytes)
  for (const each of [...small, stream]) each.window.close()
  t.equal(budget.grownBytes, 0)
  t.equal(budget.freeBytes, budget.totalBytes)
  t.end()
})

t.test('where others are stuck with all of that, the next is still fast', (t) => {
  const budget = new CreditBudget(64 * MIB)
  const streams = Array.from({ length: 16 }, () => new Stream(budget))
  for (const stream of streams) {
    run(stream, 20, 1)
    stream.sendAll()
  }
  const last = streams.at(-1)!
  t.ok(last.heldBytes >= 768 * KIB, `the last holds ${last.heldBytes} bytes`)
  t.end()
})

t.test('a spent budget still lets every stream go on', (t) => {
  const budget = new CreditBudget(256 * KIB)
  const streams = Array.from({ length: 500 }, () => new Stream(budget))
  t.ok(budget.freeBytes < 0, 'there are more streams than the budget has room for')
  const goalBytes = 100 * KIB
  for (let round = 0; round < 200; round++) {
    for (const stream of streams) {
      stream.sendAll()
      stream.consume(stream.window.unreadBytes)
    }
  }
  for (const stream of streams) {
    if (stream.consumedBytes < goalBytes)
      t.fail(`one got only ${stream.consumedBytes} bytes through`)
  }
  t.ok(budget.freeBytes >= -streams.length * LIMITS.leastBytes, 'the debt has its bound')
  for (const stream of streams) stream.window.close()
  t.equal(budget.freeBytes, budget.totalBytes)
  t.end()
})

t.test('streams that wait in a spent budget go on, sip by sip, whatever the size of a sip', (t) => {
  for (const sip of [1, 100, 1023, 4096, 5000]) {
    const budget = new CreditBudget(0)
    const stream = new Stream(budget)
    for (let round = 0; stream.consumedBytes < 100 * KIB; round++) {
      if (round > 300_000) return t.fail(`stuck with sips of ${sip} bytes`)
      stream.sendAll()
      stream.consume(Math.min(stream.window.unreadBytes, sip))
    }
    stream.window.close()
    t.equal(budget.freeBytes, 0, `sips of ${sip} bytes`)
  }
  t.end()
})

t.test('a window that was squeezed grows again when the budget has recovered', (t) => {
  const budget = new CreditBudget(8 * MIB)
  const stream = new Stream(budget)
  const spent = budget.reserve(8 * MIB, 0)
  run(stream, 50, 1)
  t.ok(stream.heldBytes <= INITIAL_BYTES, 'squeezed')
  budget.give(spent)
  run(stream, 50, 1)
  t.equal(stream.heldBytes, LIMITS.maxBytes)
  t.end()
})

for (let seed = 1; seed <= 20; seed++) {
  t.test(`whatever happens in what order, the arithmetic holds (seed ${seed})`, (t) => {
    const random = seededRandom(seed)
    const budget = new CreditBudget(random.pick([0, 10 * KIB, 300 * KIB, 4 * MIB]))
    const streams: Stream[] = []
    let opened = 0
    for (let step = 0; step < 5_000; step++) {
      if (streams.length === 0 || (streams.length < 60 && random.next() < 0.05)) {
        streams.push(new Stream(budget))
        opened++
      }
      act(random, streams)
      const fault = faultOf(budget, streams)
      if (fault !== null) {
        t.fail(`step ${step}: ${fault}`)
        break
      }
    }
    for (const { window } of streams) window.close()
    t.equal(budget.freeBytes, budget.totalBytes, `all of it is back after ${opened} streams`)
    t.equal(budget.grownBytes, 0)
    t.end()
  })
}

function act(random: Random, streams: Stream[]): void {
  const index = random.int(0, streams.length - 1)
  const stream = streams[index]!
  const dice = random.next()
  if (dice < 0.45) stream.send(random.int(0, 64 * KIB))
  else if (dice < 0.98) {
    const unread = stream.window.unreadBytes
    stream.consume(random.next() < 0.5 ? unread : random.int(0, unread))
  } else {
    stream.window.close()
    streams.splice(index, 1)
  }
}

function faultOf(budget: CreditBudget, streams: readonly Stream[]): string | null {
  let heldBytes = 0
  for (const { window, allowance, heldBytes: held } of streams) {
    if (allowance.bytes < 0) return `an outstanding grant of ${allowance.bytes} bytes`
    if (window.unreadBytes < 0) return `${window.unreadBytes} unread bytes`
    if (held > LIMITS.maxBytes) return `a window of ${held} bytes`
    heldBytes += held
  }
  const lentBytes = budget.totalBytes - budget.freeBytes
  if (heldBytes !== lentBytes) return `${heldBytes} bytes are held and ${lentBytes} were lent`
  const boundBytes = budget.totalBytes + streams.length * LIMITS.leastBytes
  return heldBytes > boundBytes ? `${heldBytes} bytes are held, the bound is ${boundBytes}` : null
}

function windowOf(budget: CreditBudget): ReceiveWindow {
  return new ReceiveWindow(budget, budget.reserve(INITIAL_BYTES, LIMITS.leastBytes), LIMITS)
}
