// Top to bottom, and from left to right among boxes that stand on one row, whatever the tilt of the
// page. Columns are read across.

import { type Point, type Quad, sizeOf } from './quad.js'

interface Placed {
  readonly box: Quad
  /** How far along and how far down the page, with the page's tilt taken out. */
  readonly right: number
  readonly down: number
  readonly height: number
}

export function inReadingOrder(boxes: readonly Quad[]): Quad[] {
  const [ax, ay] = textDirection(boxes)
  const placed = boxes.map((box): Placed => {
    const [x, y] = centre(box)
    return { box, right: x * ax + y * ay, down: y * ax - x * ay, height: sizeOf(box).height }
  })
  const rows: Placed[][] = []
  for (const next of placed.sort((a, b) => a.down - b.down)) {
    const row = rows.at(-1)
    if (row && standOnOneRow(row[0]!, next)) row.push(next)
    else rows.push([next])
  }
  return rows.flatMap((row) => row.sort((a, b) => a.right - b.right).map(({ box }) => box))
}

function standOnOneRow(a: Placed, b: Placed): boolean {
  return b.down - a.down < Math.min(a.height, b.height) / 2
}

/** The mean of the boxes' upper edges, so that long lines count for more: a unit vector. */
function textDirection(boxes: readonly Quad[]): Point {
  let x = 0
  let y = 0
  for (const [topLeft, topRight] of boxes) {
    x += topRight[0] - topLeft[0]
    y += topRight[1] - topLeft[1]
  }
  const length = Math.hypot(x, y)
  return length === 0 ? [1, 0] : [x / length, y / length]
}

function centre([topLeft, , bottomRight]: Quad): Point {
  return [(topLeft[0] + bottomRight[0]) / 2, (topLeft[1] + bottomRight[1]) / 2]
}
