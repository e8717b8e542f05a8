// Bytes as a function gets them: in memory that nobody else has. What comes from NATS are views of arrays
// that hold the frames of other callers, too: a function that transfers its input to a worker, as one does
// with audio or a picture, would empty theirs, and could read them.

/** `bytes` themselves where they are most of their array: no other call can have more than a frame's head there. */
export function inOwnMemory(bytes: Uint8Array): Uint8Array {
  const isMostOfIt = bytes.byteLength * 2 > bytes.buffer.byteLength
  return isMostOfIt ? bytes : new Uint8Array(bytes)
}
