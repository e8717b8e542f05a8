// What comes of a message: through `decodeFrames`, which reads the usual frames by hand, and through the general
// decoder alone.

import { Unpackr } from 'msgpackr'
import { CodecError, decodeFrames } from '../../shared/codec.js'
import { type Frame, readFrame } from '../../shared/frame.js'

const general = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })

export function decoded(message: Uint8Array): Frame[] | 'refused' {
  const frames: Frame[] = []
  try {
    decodeFrames(message, (frame) => frames.push(frame))
    return frames
  } catch (error) {
    if (error instanceof CodecError) return 'refused'
    throw error
  }
}

export function decodedGenerally(message: Uint8Array): Frame[] | 'refused' {
  try {
    const values = general.unpackMultiple(message) as unknown[]
    const frames = values.map(readFrame)
    return frames.includes(null) ? 'refused' : (frames as Frame[])
  } catch {
    return 'refused'
  }
}
