// From the detection network's map, which says of each pixel how likely it lies in the core of a
// line of text, to boxes around lines. The network shrinks every line to its core so that
// neighbours stay apart; each core is grown back here. Numbers are PaddleOCR's own.

import { minAreaRectangle, type Rectangle, rectangleCorners } from './min-area-rectangle.js'
import type { Point, Quad } from './quad.js'

/** A pixel above this belongs to a core. */
const PIXEL_THRESHOLD = 0.3

/** Mean over the core's rectangle below which it is taken for noise. */
const BOX_THRESHOLD = 0.6

/** How far a core is grown: this times area over perimeter, on each side. */
const UNCLIP_RATIO = 1.5

const MIN_CORE_SIDE_PX = 3

/** Bounds the time spent on a picture of gravel. */
const MAX_BOXES = 1000

export interface ProbabilityMap {
  readonly values: Float32Array
  readonly width: number
  readonly height: number
}

export function textBoxes(map: ProbabilityMap): Quad[] {
  const boxes: Quad[] = []
  for (const outline of coreOutlines(map)) {
    const core = minAreaRectangle(outline)
    if (Math.min(core.width, core.height) < MIN_CORE_SIDE_PX) continue
    if (meanInside(map, core) < BOX_THRESHOLD) continue
    const area = core.width * core.height
    const perimeter = 2 * (core.width + core.height)
    boxes.push(rectangleCorners(core, (area * UNCLIP_RATIO) / perimeter))
    if (boxes.length === MAX_BOXES) break
  }
  return boxes
}

/** For each connected core the outermost pixels of its rows: all that its convex hull needs. */
function* coreOutlines({ values, width, height }: ProbabilityMap): Generator<Point[]> {
  const seen = new Uint8Array(values.length)
  const stack: number[] = []
  const visit = (index: number) => {
    if (seen[index] === 1 || values[index]! <= PIXEL_THRESHOLD) return
    seen[index] = 1
    stack.push(index)
  }
  for (let start = 0; start < values.length; start++) {
    visit(start)
    if (stack.length === 0) continue
    const rows = new Map<number, { minX: number; maxX: number }>()
    while (stack.length > 0) {
      const index = stack.pop()!
      const x = index % width
      const y = (index - x) / width
      const row = rows.get(y)
      if (row === undefined) rows.set(y, { minX: x, maxX: x })
      else if (x < row.minX) row.minX = x
      else if (x > row.maxX) row.maxX = x
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
          visit(ny * width + nx)
        }
      }
    }
    yield [...rows].flatMap(([y, { minX, maxX }]): Point[] => [
      [minX, y],
      [maxX, y],
    ])
  }
}

function meanInside(map: ProbabilityMap, rectangle: Rectangle): number {
  const [cx, cy] = rectangle.center
  const [ax, ay] = rectangle.along
  const corners = rectangleCorners(rectangle)
  const xs = corners.map(([x]) => x)
  const ys = corners.map(([, y]) => y)
  let sum = 0
  let count = 0
  for (let y = Math.ceil(Math.min(...ys)); y <= Math.max(...ys); y++) {
    for (let x = Math.ceil(Math.min(...xs)); x <= Math.max(...xs); x++) {
      const u = (x - cx) * ax + (y - cy) * ay
      const v = (y - cy) * ax - (x - cx) * ay
      if (Math.abs(u) > rectangle.width / 2 || Math.abs(v) > rectangle.height / 2) continue
      sum += map.values[y * map.width + x] ?? 0
      count++
    }
  }
  return count === 0 ? 0 : sum / count
}
