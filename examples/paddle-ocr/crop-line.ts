// Cuts a box out of the picture, upright and at the height that the recognition model wants.

import type { Pixels } from './decode-image.js'
import { type Quad, sizeOf } from './quad.js'

const LINE_HEIGHT_PX = 48

/** A single letter is set on grey this wide: on less, the model sees too few steps. */
const MIN_WIDTH_PX = 48

/** About 400 letters; a longer line is squeezed. */
const MAX_WIDTH_PX = 4096

export interface LinePicture {
  /** Planes of blue, green and red, from -1 to 1. */
  readonly planes: Float32Array
  readonly width: number
  readonly height: number
}

export function cropLine({ rgb, width, height }: Pixels, box: Quad): LinePicture {
  const size = sizeOf(box)
  const ratio = size.width / Math.max(1, size.height)
  const textWidth = Math.min(MAX_WIDTH_PX, Math.max(1, Math.ceil(LINE_HEIGHT_PX * ratio)))
  const lineWidth = Math.max(MIN_WIDTH_PX, textWidth)
  const area = lineWidth * LINE_HEIGHT_PX
  const planes = new Float32Array(3 * area)

  // Letters that shrink are averaged over several samples a pixel, or thin strokes would get lost.
  const samples = Math.min(4, Math.max(1, Math.round(size.height / LINE_HEIGHT_PX)))
  const [[left, top], [rightX, rightY], , [downX, downY]] = box
  for (let py = 0; py < LINE_HEIGHT_PX; py++) {
    for (let px = 0; px < textWidth; px++) {
      const sum = [0, 0, 0]
      for (let s = 0; s < samples * samples; s++) {
        const u = (px + ((s % samples) + 0.5) / samples) / textWidth
        const v = (py + (Math.floor(s / samples) + 0.5) / samples) / LINE_HEIGHT_PX
        const x = left + u * (rightX - left) + v * (downX - left) - 0.5
        const y = top + u * (rightY - top) + v * (downY - top) - 0.5
        addInterpolated(sum, x, y)
      }
      for (let plane = 0; plane < 3; plane++) {
        const mean = sum[2 - plane]! / (samples * samples)
        planes[plane * area + py * lineWidth + px] = mean / 127.5 - 1
      }
    }
  }
  return { planes, width: lineWidth, height: LINE_HEIGHT_PX }

  /** Bilinear; beyond the edge the edge goes on. */
  function addInterpolated(sum: number[], atX: number, atY: number): void {
    const x = Math.min(width - 1, Math.max(0, atX))
    const y = Math.min(height - 1, Math.max(0, atY))
    const x0 = Math.floor(x)
    const y0 = Math.floor(y)
    const right = 3 * (Math.min(width - 1, x0 + 1) - x0)
    const down = 3 * (Math.min(height - 1, y0 + 1) - y0) * width
    const dx = x - x0
    const dy = y - y0
    const start = 3 * (y0 * width + x0)
    for (let i = start; i < start + 3; i++) {
      const upper = rgb[i]! * (1 - dx) + rgb[i + right]! * dx
      const lower = rgb[i + down]! * (1 - dx) + rgb[i + down + right]! * dx
      sum[i - start]! += upper * (1 - dy) + lower * dy
    }
  }
}
