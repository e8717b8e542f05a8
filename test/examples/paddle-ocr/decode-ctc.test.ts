import t from 'tap'
import { decodeCtc } from '../../../examples/paddle-ocr/decode-ctc.js'

const alphabet = ['', 'a', 'b', ' ']

/** One step: the probabilities of blank, a, b and space. */
type Step = [blank: number, a: number, b: number, space: number]

const A: Step = [0, 1, 0, 0]
const B: Step = [0.25, 0, 0.75, 0]
const BLANK: Step = [1, 0, 0, 0]
const SPACE: Step = [0, 0, 0, 1]
const HALF_A_SPACE: Step = [0.6, 0, 0, 0.4]

const read = (...steps: Step[]) => decodeCtc(Float32Array.from(steps.flat()), alphabet)

t.test('repeats are one letter unless a blank parts them', (t) => {
  t.equal(read(A, A, B, B).text, 'ab')
  t.equal(read(A, BLANK, A).text, 'aa')
  t.end()
})

t.test('a space that shares its steps with the blank is still a space', (t) => {
  t.equal(read(A, HALF_A_SPACE, HALF_A_SPACE, B).text, 'a b')
  t.equal(read(A, SPACE, SPACE, A).text, 'a a')
  t.end()
})

t.test('a text neither starts nor ends with a space', (t) => {
  t.equal(read(SPACE, A, SPACE).text, 'a')
  t.end()
})

t.test('confidence is the mean over the letters', (t) => {
  t.equal(read(A, BLANK, B).confidence, 0.875)
  t.same(read(BLANK, SPACE), { text: '', confidence: 0 })
  t.end()
})
