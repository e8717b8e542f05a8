import t from 'tap'
import { cropLine } from '../../../examples/paddle-ocr/crop-line.js'
import type { Quad } from '../../../examples/paddle-ocr/quad.js'

const WIDTH = 200
const HEIGHT = 100

/** Red grows from left to right, green from top to bottom, blue is full. */
const picture = {
  width: WIDTH,
  height: HEIGHT,
  rgb: Uint8Array.from({ length: 3 * WIDTH * HEIGHT }, (_, i) => {
    const pixel = Math.floor(i / 3)
    return [pixel % WIDTH, Math.floor(pixel / WIDTH), 255][i % 3]!
  }),
}

const box: Quad = [
  [20, 10],
  [164, 10],
  [164, 58],
  [20, 58],
]

t.test('a box 48 pixels high is cut out pixel by pixel, blue first, from -1 to 1', (t) => {
  const line = cropLine(picture, box)
  t.match(line, { width: 144, height: 48 })
  const [blue, green, red] = [0, 1, 2].map((plane) => line.planes[plane * 144 * 48 + 5 * 144 + 7]!)
  t.equal(blue, 1)
  t.ok(Math.abs(green! - ((10 + 5) / 127.5 - 1)) < 1e-6)
  t.ok(Math.abs(red! - ((20 + 7) / 127.5 - 1)) < 1e-6)
  t.end()
})

t.test('the first corner says which way is up', (t) => {
  const [topLeft, topRight, bottomRight, bottomLeft] = box
  const upsideDown = cropLine(picture, [bottomRight, bottomLeft, topLeft, topRight])
  const upright = cropLine(picture, box)
  t.equal(upsideDown.planes[2 * 144 * 48], upright.planes[2 * 144 * 48 + 144 * 48 - 1])
  t.end()
})

t.test('a box that reaches beyond the picture repeats its edge', (t) => {
  const line = cropLine(picture, [
    [-96, 0],
    [0, 0],
    [0, 48],
    [-96, 48],
  ])
  t.ok(line.planes.subarray(2 * 96 * 48).every((red) => red === -1))
  t.end()
})

t.test('a narrow letter is set on grey, a very long line is squeezed', (t) => {
  const letter = cropLine(picture, [
    [0, 0],
    [10, 0],
    [10, 48],
    [0, 48],
  ])
  t.equal(letter.width, 48)
  t.equal(letter.planes[20], 0)
  const long = cropLine(picture, [
    [0, 0],
    [200, 0],
    [200, 1],
    [0, 1],
  ])
  t.equal(long.width, 4096)
  t.end()
})
