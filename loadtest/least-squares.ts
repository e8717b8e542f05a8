// The straight line through points, by least squares.

export interface Line {
  /** At x = 0. */
  readonly start: number
  /** By one x. */
  readonly slope: number
}

/** @param points x and y; of two different x at least */
export function lineThrough(points: readonly (readonly [number, number])[]): Line {
  const meanX = mean(points.map(([x]) => x))
  const meanY = mean(points.map(([, y]) => y))
  const spread = sum(points.map(([x]) => (x - meanX) ** 2))
  if (spread === 0) throw new Error('A line needs points at two different places.')
  const slope = sum(points.map(([x, y]) => (x - meanX) * (y - meanY))) / spread
  return { start: meanY - slope * meanX, slope }
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
