import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Departures } from '../../../gateway/front/departures.js'

function recorded() {
  const departed: (number | 'sent')[] = []
  const departures = new Departures(() => departed.push('sent'))
  const add = (from: number, to: number) => {
    for (let call = from; call < to; call++) departures.add({ depart: () => departed.push(call) })
  }
  return { departures, departed, add }
}

t.test('calls depart at the end of the turn, in the order in which they came', async (t) => {
  const { departed, add } = recorded()
  add(0, 3)
  t.same(departed, [])
  await setImmediate()
  t.same(departed, [0, 1, 2, 'sent'])
  add(3, 4)
  await setImmediate()
  t.same(departed, [0, 1, 2, 'sent', 3, 'sent'])
})

t.test('behind many requests, none waits for the end of the turn', async (t) => {
  const { departures, departed, add } = recorded()
  add(0, 2)
  for (let request = 1; request < 256; request++) departures.onRequest()
  t.same(departed, [])
  departures.onRequest()
  t.same(departed, [0, 1, 'sent'])
  add(2, 3)
  for (let request = 0; request < 256; request++) departures.onRequest()
  t.same(departed, [0, 1, 'sent', 2, 'sent'])
})

t.test('one that comes as others depart departs with the next', async (t) => {
  const departed: string[] = []
  const departures = new Departures(() => departed.push('sent'))
  const later = { depart: () => void departed.push('later') }
  departures.add({
    depart: () => {
      departed.push('first')
      departures.add(later)
    },
  })
  await setImmediate()
  await setImmediate()
  t.same(departed, ['first', 'sent', 'later', 'sent'])
})
