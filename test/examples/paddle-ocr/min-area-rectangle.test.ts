import t from 'tap'
import {
  minAreaRectangle,
  rectangleCorners,
} from '../../../examples/paddle-ocr/min-area-rectangle.js'
import type { Point } from '../../../examples/paddle-ocr/quad.js'

for (const degrees of [0, 10, 30, -20, 44]) {
  t.test(`a rectangle tilted by ${degrees} degrees is found from points inside it`, (t) => {
    const { along, width, height, center } = minAreaRectangle(tiltedGrid(degrees))
    const tilt = (Math.atan2(along[1], along[0]) * 180) / Math.PI
    t.same(rounded(width, height, ...center, tilt), [40, 8, 100, 50, degrees])
    t.end()
  })
}

t.test('width runs across, also of a rectangle that is higher than wide', (t) => {
  const { along, width, height } = minAreaRectangle(tiltedGrid(90))
  t.same(rounded(width, height, ...along), [8, 40, 1, 0])
  t.end()
})

t.test('corners go clockwise from the top left and a margin moves each side outwards', (t) => {
  const rectangle = minAreaRectangle([
    [10, 20],
    [30, 20],
    [10, 26],
    [30, 26],
  ])
  t.same(rectangleCorners(rectangle, 2), [
    [8, 18],
    [32, 18],
    [32, 28],
    [8, 28],
  ])
  t.end()
})

t.test('one point and points on one line have rectangles too', (t) => {
  t.match(minAreaRectangle([[3, 4]]), { center: [3, 4], width: 0, height: 0 })
  const diagonal = minAreaRectangle([0, 1, 2, 3].map((n): Point => [n, n]))
  t.same(rounded(diagonal.width, diagonal.height), rounded(Math.hypot(3, 3), 0))
  t.end()
})

/** Points of a 40 by 8 rectangle around (100, 50), turned clockwise as the picture shows it. */
function tiltedGrid(degrees: number): Point[] {
  const angle = (degrees * Math.PI) / 180
  const points: Point[] = []
  for (let u = -20; u <= 20; u++) {
    for (let v = -4; v <= 4; v++) {
      points.push([
        100 + u * Math.cos(angle) - v * Math.sin(angle),
        50 + u * Math.sin(angle) + v * Math.cos(angle),
      ])
    }
  }
  return points
}

/** To a millionth, and never -0. */
function rounded(...numbers: number[]): number[] {
  return numbers.map((number) => Math.round(number * 1e6) / 1e6 + 0)
}
