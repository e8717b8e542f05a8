// The samples of a WAV file, as far as /vad takes them.

const SAMPLE_RATE = 16_000

/** @param {ArrayBuffer} file */
export function samplesOf(file) {
  const view = new DataView(file)
  if (textAt(view, 0) !== 'RIFF' || textAt(view, 8) !== 'WAVE')
    throw new Error('This is no WAV file.')
  let isRight = false
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const bytes = view.getUint32(at + 4, true)
    if (textAt(view, at) === 'fmt ') {
      const isPcm = view.getUint16(at + 8, true) === 1
      const isMono = view.getUint16(at + 10, true) === 1
      const isRate = view.getUint32(at + 12, true) === SAMPLE_RATE
      isRight = isPcm && isMono && isRate && view.getUint16(at + 22, true) === 16
    }
    if (textAt(view, at) === 'data') {
      if (!isRight) throw new Error('The sound must have 16 kHz, one channel and 16 bits.')
      const end = Math.min(at + 8 + bytes, file.byteLength)
      return new Int16Array(file.slice(at + 8, end - ((end - at) % 2)))
    }
    at += 8 + bytes + (bytes % 2)
  }
  throw new Error('The WAV file has no sound in it.')
}

function textAt(view, at) {
  if (at + 4 > view.byteLength) return ''
  return String.fromCharCode(...new Uint8Array(view.buffer, at, 4))
}
