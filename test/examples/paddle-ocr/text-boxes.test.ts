import t from 'tap'
import { textBoxes } from '../../../examples/paddle-ocr/text-boxes.js'

const WIDTH = 64
const HEIGHT = 32

interface Core {
  left: number
  top: number
  right: number
  bottom: number
  probability?: number
}

/** A map that is 0 but for these cores, edges included. */
function mapOf(...cores: Core[]) {
  const values = new Float32Array(WIDTH * HEIGHT)
  for (const { left, top, right, bottom, probability = 0.9 } of cores) {
    for (let y = top; y <= bottom; y++) {
      values.fill(probability, y * WIDTH + left, y * WIDTH + right + 1)
    }
  }
  return { values, width: WIDTH, height: HEIGHT }
}

t.test('a core is grown by one and a half times its area over its perimeter', (t) => {
  const grownBy = (20 * 10 * 1.5) / 60
  t.same(textBoxes(mapOf({ left: 20, top: 10, right: 40, bottom: 20 })), [
    [
      [20 - grownBy, 10 - grownBy],
      [40 + grownBy, 10 - grownBy],
      [40 + grownBy, 20 + grownBy],
      [20 - grownBy, 20 + grownBy],
    ],
  ])
  t.end()
})

t.test('cores that do not touch are lines of their own', (t) => {
  const above = { left: 2, top: 2, right: 60, bottom: 8 }
  t.equal(textBoxes(mapOf(above, { ...above, top: 10, bottom: 16 })).length, 2)
  t.equal(textBoxes(mapOf(above, { ...above, top: 9, bottom: 16 })).length, 1)
  t.end()
})

t.test('cores reach to the edges of the map', (t) => {
  t.equal(textBoxes(mapOf({ left: 0, top: 0, right: WIDTH - 1, bottom: HEIGHT - 1 })).length, 1)
  t.end()
})

t.test('what is unlikely or tiny is noise', (t) => {
  const core = { left: 10, top: 10, right: 40, bottom: 20 }
  t.same(textBoxes(mapOf({ ...core, probability: 0.5 })), [])
  t.same(textBoxes(mapOf({ ...core, bottom: 12 })), [])
  t.same(textBoxes(mapOf()), [])
  t.end()
})
