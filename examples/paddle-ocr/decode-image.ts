// Bytes of a picture -> pixels in the two sizes that the models want. sharp decodes and scales on
// threads of its own.

import { PublicError } from 'callgate'
import sharp, { type Sharp } from 'sharp'

const READABLE_FORMATS = ['png', 'jpeg', 'webp', 'gif', 'tiff']

/** A small file can unfold to a huge picture: 50 megapixels are 150 MB. */
const MAX_MEGAPIXELS = 50

/** An A4 page at about 220 dpi: enough for small print. */
const MAX_RECOGNITION_SIDE_PX = 2560

/** What PaddleOCR uses; detection takes time in proportion to the area. */
const MAX_DETECTION_SIDE_PX = 960

/** The detection network halves its picture five times. */
const DETECTION_STEP_PX = 32

/** Three bytes a pixel, red, green, blue, row by row. */
export interface Pixels {
  readonly rgb: Uint8Array
  readonly width: number
  readonly height: number
}

export interface DecodedImage {
  /** Size of the picture as sent, turned as its EXIF data says. */
  readonly width: number
  readonly height: number
  readonly recognition: Pixels
  readonly detection: Pixels
}

export async function decodeImage(input: unknown): Promise<DecodedImage> {
  if (!(input instanceof Uint8Array) || input.byteLength === 0) {
    throw new PublicError(
      'bad_request',
      'Send the picture itself as the body, with its content-type, such as image/png.',
    )
  }
  const { width, height } = await measure(input)
  const recognition = await render(
    sharp(input).autoOrient(),
    within(width, height, MAX_RECOGNITION_SIDE_PX, 1),
  )
  const detection = await render(
    sharp(recognition.rgb, {
      raw: { width: recognition.width, height: recognition.height, channels: 3 },
    }),
    within(width, height, MAX_DETECTION_SIDE_PX, DETECTION_STEP_PX),
  )
  return { width, height, recognition, detection }
}

async function measure(bytes: Uint8Array): Promise<{ width: number; height: number }> {
  const { format, autoOrient } = await sharp(bytes)
    .metadata()
    .catch((cause) => {
      throw unreadable(cause)
    })
  if (!READABLE_FORMATS.includes(format)) throw unreadable()
  if (autoOrient.width * autoOrient.height > MAX_MEGAPIXELS * 1e6) {
    throw new PublicError(
      'payload_too_large',
      `Send a picture of at most ${MAX_MEGAPIXELS} megapixels.`,
    )
  }
  return autoOrient
}

async function render(image: Sharp, size: { width: number; height: number }): Promise<Pixels> {
  const { data, info } = await image
    .flatten({ background: 'white' })
    .resize({ ...size, fit: 'fill' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((cause) => {
      throw new PublicError('bad_request', 'The picture is damaged; send it again, whole.', {
        cause,
      })
    })
  return { rgb: data, width: info.width, height: info.height }
}

/** The size scaled down to `maxSide`, never up, in whole steps. */
function within(width: number, height: number, maxSide: number, step: number) {
  const scale = Math.min(1, maxSide / Math.max(width, height))
  const inSteps = (side: number) => Math.max(1, Math.round((side * scale) / step)) * step
  return { width: inSteps(width), height: inSteps(height) }
}

function unreadable(cause?: unknown): PublicError {
  const message = 'Send a picture in one of the formats PNG, JPEG, WebP, GIF and TIFF.'
  return new PublicError('unsupported_media_type', message, { cause })
}
