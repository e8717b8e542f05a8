import t, { type Test } from 'tap'
import { decodeFrames } from '../../shared/codec.js'
import { Allowance } from '../../shared/credit.js'
import { MESSAGE_COST_BYTES, MESSAGE_LAST, MESSAGE_TEXT } from '../../shared/frame.js'
import { MessageSender } from '../../shared/message-sender.js'
import { Mailroom } from '../../shared/outbox.js'
import { startTestNats } from '../support/nats.js'
import { seededRandom } from './seeded-random.js'
import { openTestBus, until } from './test-bus.js'

const KIB = 1024

t.test('a message within the credit leaves whole, text or not, with bytes or not', async (t) => {
  const { sender, pieces } = await startSender(t, 64 * KIB)
  t.ok(sender.send(Buffer.from('hi'), true))
  t.ok(sender.send(Buffer.alloc(0), false))
  await until(() => pieces.length === 2)
  t.same(
    pieces.map(({ flags }) => flags),
    [MESSAGE_TEXT | MESSAGE_LAST, MESSAGE_LAST],
  )
  t.same(
    pieces.map(({ bytes }) => bytes.toString()),
    ['hi', ''],
  )
  t.equal(sender.waitingBytes, 0)
})

t.test('what waits for credit may be overwritten by whoever sent it', async (t) => {
  const { sender, allowance, pieces } = await startSender(t, 100)
  const scratch = Buffer.alloc(KIB)
  t.notOk(sender.send(scratch.fill(1), false))
  t.notOk(sender.send(scratch.fill(2), false))
  scratch.fill(0xff)
  allowance.grant(64 * KIB)
  t.ok(sender.resume())
  await until(() => pieces.filter(({ flags }) => flags & MESSAGE_LAST).length === 2)
  const all = Buffer.concat(pieces.map(({ bytes }) => bytes))
  t.ok(all.equals(Buffer.concat([Buffer.alloc(KIB, 1), Buffer.alloc(KIB, 2)])))
})

t.test('whatever the messages and the grants: in order, intact, within the credit', async (t) => {
  const random = seededRandom(1)
  const { sender, allowance, pieces } = await startSender(t, 0)
  const sent: { bytes: Buffer; isText: boolean }[] = []
  let grantedBytes = 0
  for (let step = 0; step < 400; step++) {
    if (random.next() < 0.5) {
      const message = {
        bytes: random.bytes(random.pick([0, 1, 31, 32, 33, 900, 9_000])),
        isText: random.next() < 0.5,
      }
      sent.push(message)
      sender.send(Buffer.from(message.bytes), message.isText)
    } else {
      const grant = random.int(1, 5_000)
      grantedBytes += grant
      allowance.grant(grant)
      sender.resume()
    }
    if (allowance.bytes < 0) return t.fail('an allowance below nothing')
    await new Promise((resolve) => setImmediate(resolve))
  }
  allowance.grant(8 * 1024 * KIB)
  grantedBytes += 8 * 1024 * KIB
  t.ok(sender.resume())
  t.equal(sender.waitingBytes, 0)
  await until(() => pieces.filter(({ flags }) => flags & MESSAGE_LAST).length === sent.length)
  const costBytes = pieces.reduce((sum, { bytes }) => sum + bytes.length + MESSAGE_COST_BYTES, 0)
  t.equal(allowance.bytes, grantedBytes - costBytes, 'every piece has paid')
  let at = 0
  for (const [index, { bytes, isText }] of sent.entries()) {
    const parts: Buffer[] = []
    for (let isLast = false; !isLast; at++) {
      const piece = pieces[at]!
      isLast = (piece.flags & MESSAGE_LAST) !== 0
      if (((piece.flags & MESSAGE_TEXT) !== 0) !== isText)
        return t.fail(`message ${index} changed its kind`)
      parts.push(piece.bytes)
    }
    if (!Buffer.concat(parts).equals(bytes)) return t.fail(`message ${index} differs`)
  }
})

t.test('what is dropped is never sent', async (t) => {
  const { sender, allowance, pieces } = await startSender(t, 0)
  sender.send(Buffer.from('dropped'), true)
  t.equal(sender.waitingBytes, 7 + MESSAGE_COST_BYTES)
  sender.drop()
  t.equal(sender.waitingBytes, 0)
  allowance.grant(KIB)
  t.ok(sender.resume())
  sender.send(Buffer.from('sent'), true)
  await until(() => pieces.length === 1)
  t.equal(pieces[0]!.bytes.toString(), 'sent')
})

async function startSender(t: Test, creditBytes: number) {
  const { url } = await startTestNats(t)
  const pieces: { flags: number; bytes: Buffer }[] = []
  const { connection } = await openTestBus(t, url)
  connection.subscribe('to', {
    callback: (_error, message) => {
      decodeFrames(Buffer.from(message.data), (frame) => {
        if (frame[0] === 13) pieces.push({ flags: frame[2], bytes: Buffer.from(frame[3]) })
      })
    },
  })
  await connection.flush()
  const allowance = new Allowance(creditBytes)
  const outbox = new Mailroom(await openTestBus(t, url)).outbox('to', 'from', false)
  return { sender: new MessageSender(outbox, 1, allowance), allowance, pieces }
}
