/**
 * Bytes for what is soon over, from the memory that Node.js hands its buffers out of.
 *
 * An array of more than 64 bytes gets memory of its own outside of V8's heap, which costs more to
 * make and to collect than most messages cost to write. What is kept for long does not belong here:
 * a byte keeps tens of kilobytes.
 */
export function pooledBytes(length: number): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafe(length)
  return new Uint8Array(buffer, byteOffset, length)
}

export function pooledCopy(bytes: Uint8Array): Uint8Array {
  const copy = pooledBytes(bytes.length)
  copy.set(bytes)
  return copy
}
