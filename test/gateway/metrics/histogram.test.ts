import t from 'tap'
import { Histogram } from '../../../gateway/metrics/histogram.js'

t.test('a value is in the first bucket that it is not above, and in all behind it', (t) => {
  const histogram = new Histogram([1, 10, 100])
  t.same(histogram.cumulativeCounts, [0, 0, 0, 0])
  for (const value of [0, 1, 1.01, 10, 99.5, 100, 101, 1e9]) histogram.observe(value)
  t.same(histogram.cumulativeCounts, [2, 4, 6, 8])
  t.equal(histogram.sum, 0 + 1 + 1.01 + 10 + 99.5 + 100 + 101 + 1e9)
  t.end()
})
