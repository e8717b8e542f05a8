import t from 'tap'
import { Counters } from '../../../gateway/dispatch/counters.js'

t.test('counters begin at zero and count each thing by itself', (t) => {
  const counters = new Counters()
  t.ok(Object.values(counters.values).every((value) => value === 0))
  counters.start()
  counters.start()
  counters.start()
  counters.start()
  counters.conclude('succeeded')
  counters.conclude('failed')
  counters.conclude('cancelled')
  counters.conclude('timedOut')
  counters.reject()
  counters.occupy()
  counters.occupy()
  counters.release()
  t.match(counters.values, {
    started: 4,
    succeeded: 1,
    failed: 1,
    cancelled: 1,
    timedOut: 1,
    rejected: 1,
    inFlight: 1,
  })
  t.end()
})

t.test('values that were read do not change afterwards', (t) => {
  const counters = new Counters()
  const before = counters.values
  counters.start()
  t.equal(before.started, 0)
  t.equal(counters.values.started, 1)
  t.end()
})
