import t from 'tap'
import type { Point, Quad } from '../../../examples/paddle-ocr/quad.js'
import { inReadingOrder } from '../../../examples/paddle-ocr/reading-order.js'

const PAGE: Record<string, Quad> = {
  title: box(100, 0, 300, 24),
  item: box(0, 60, 120, 20),
  price: box(420, 57, 60, 20),
  next: box(0, 100, 140, 20),
  nextPrice: box(420, 103, 60, 20),
}

t.test('rows from the top, and in a row from the left', (t) => {
  t.same(
    order((quad) => quad),
    Object.keys(PAGE),
  )
  t.end()
})

for (const degrees of [-12, 12]) {
  t.test(`a page tilted by ${degrees} degrees reads the same`, (t) => {
    t.same(
      order((quad) => tilt(quad, degrees)),
      Object.keys(PAGE),
    )
    t.end()
  })
}

t.test('a page without text has no order', (t) => {
  t.same(inReadingOrder([]), [])
  t.end()
})

/** The names of the boxes as they are read, given in the wrong order. */
function order(place: (quad: Quad) => Quad): (string | undefined)[] {
  const names = new Map(Object.entries(PAGE).map(([name, quad]) => [place(quad), name]))
  return inReadingOrder([...names.keys()].reverse()).map((quad) => names.get(quad))
}

function box(left: number, top: number, width: number, height: number): Quad {
  return [
    [left, top],
    [left + width, top],
    [left + width, top + height],
    [left, top + height],
  ]
}

function tilt([a, b, c, d]: Quad, degrees: number): Quad {
  const angle = (degrees * Math.PI) / 180
  const turn = ([x, y]: Point): Point => [
    x * Math.cos(angle) - y * Math.sin(angle),
    x * Math.sin(angle) + y * Math.cos(angle),
  ]
  return [turn(a), turn(b), turn(c), turn(d)]
}
