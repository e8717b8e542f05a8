// The smallest rectangle, at any angle, around a set of points. One of its sides lies on an edge of
// the points' convex hull, so every edge is tried.

import type { Point, Quad } from './quad.js'

export interface Rectangle {
  readonly center: Point
  /** Unit vector along the width, at most 45 degrees off the horizontal, pointing right. */
  readonly along: Point
  readonly width: number
  readonly height: number
}

export function minAreaRectangle(points: readonly Point[]): Rectangle {
  const hull = convexHull(points)
  let smallest = boundingRectangle(hull, [1, 0])
  for (const [i, [x, y]] of hull.entries()) {
    const [nextX, nextY] = hull[(i + 1) % hull.length]!
    const length = Math.hypot(nextX - x, nextY - y)
    if (length === 0) continue
    const along = nearHorizontal([(nextX - x) / length, (nextY - y) / length])
    const rectangle = boundingRectangle(hull, along)
    if (rectangle.width * rectangle.height < smallest.width * smallest.height) smallest = rectangle
  }
  return smallest
}

/** `margin` is added on each of the four sides. */
export function rectangleCorners({ center, along, width, height }: Rectangle, margin = 0): Quad {
  const [cx, cy] = center
  const [ax, ay] = along
  const u = width / 2 + margin
  const v = height / 2 + margin
  const corner = (su: number, sv: number): Point => [
    cx + su * u * ax - sv * v * ay,
    cy + su * u * ay + sv * v * ax,
  ]
  return [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)]
}

/** Andrew's monotone chain. */
function convexHull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1])
  if (sorted.length < 3) return sorted
  return [...halfHull(sorted), ...halfHull(sorted.reverse())]
}

/** Without its last point, which is the first of the other half. */
function halfHull(points: readonly Point[]): Point[] {
  const half: Point[] = []
  for (const point of points) {
    while (half.length >= 2 && cross(half.at(-2)!, half.at(-1)!, point) <= 0) half.pop()
    half.push(point)
  }
  half.pop()
  return half
}

function cross([ox, oy]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  return (ax - ox) * (by - oy) - (ay - oy) * (bx - ox)
}

function nearHorizontal([x, y]: Point): Point {
  const [dx, dy] = Math.abs(x) >= Math.abs(y) ? [x, y] : [y, -x]
  return dx > 0 ? [dx, dy] : [-dx, -dy]
}

function boundingRectangle(points: readonly Point[], along: Point): Rectangle {
  const [ax, ay] = along
  let [minU, maxU, minV, maxV] = [Infinity, -Infinity, Infinity, -Infinity]
  for (const [x, y] of points) {
    const u = x * ax + y * ay
    const v = y * ax - x * ay
    minU = Math.min(minU, u)
    maxU = Math.max(maxU, u)
    minV = Math.min(minV, v)
    maxV = Math.max(maxV, v)
  }
  const u = (minU + maxU) / 2
  const v = (minV + maxV) / 2
  return {
    center: [u * ax - v * ay, u * ay + v * ax],
    along,
    width: maxU - minU,
    height: maxV - minV,
  }
}
