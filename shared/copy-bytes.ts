// Bytes that are ours to keep. `slice` would not do: on a Buffer it is a view, and the owner of the memory
// goes on using it. From Node's pool, because a fresh ArrayBuffer costs more than a small copy.

export function copyBytes(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafe(bytes.length)
  copy.set(bytes)
  return copy
}
