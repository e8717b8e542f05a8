// A box around a line of text. Four corners, because text may be tilted.

export type Point = readonly [x: number, y: number]

/** Clockwise from the top left of the text as the picture shows it. */
export type Quad = readonly [Point, Point, Point, Point]

export interface Size {
  readonly width: number
  readonly height: number
}

/** The same box in the same picture at another size. */
export function scaleQuad(quad: Quad, from: Size, to: Size): Quad {
  const scale = ([x, y]: Point): Point => [
    (x * to.width) / from.width,
    (y * to.height) / from.height,
  ]
  return mapQuad(quad, scale)
}

/** For showing: whole pixels inside the picture. */
export function roundQuad(quad: Quad, picture: Size): Quad {
  const round = (value: number, max: number) => Math.min(max, Math.max(0, Math.round(value)))
  return mapQuad(quad, ([x, y]) => [round(x, picture.width), round(y, picture.height)])
}

/** The length of the upper and of the left edge. */
export function sizeOf([topLeft, topRight, , bottomLeft]: Quad): Size {
  return { width: distance(topLeft, topRight), height: distance(topLeft, bottomLeft) }
}

function mapQuad([a, b, c, d]: Quad, map: (point: Point) => Point): Quad {
  return [map(a), map(b), map(c), map(d)]
}

function distance([ax, ay]: Point, [bx, by]: Point): number {
  return Math.hypot(bx - ax, by - ay)
}
