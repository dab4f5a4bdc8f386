/** Rows that messages about load have by the thousand, as columns: tables would double them. */
import type { Builder, Offset } from 'flatbuffers'
import { pooledBytes } from '../../base/index.ts'
import * as wire from '../generated/digests.js'
import { type LoadTick, loadProofBytes } from '../load-statements.ts'
import { type NodeKey, nodeKeyLengthBytes, readNodeKey, writeNodeKey } from '../node-key.ts'
import { checkLength } from './decode.ts'
import { malformed } from './verify-buffer.ts'

/** 0, absent, for none. */
export function keysOffset(to: Builder, keys: readonly NodeKey[]): Offset {
  if (keys.length === 0) return 0
  const bytes = pooledBytes(keys.length * nodeKeyLengthBytes)
  for (const [i, key] of keys.entries()) writeNodeKey(key, bytes, i * nodeKeyLengthBytes)
  return to.createByteVector(bytes)
}

export function keysOf(bytes: Uint8Array | null, name: string, lengthMax: number): NodeKey[] {
  if (bytes === null) return []
  if (bytes.length % nodeKeyLengthBytes !== 0) throw malformed(`${name} is cut off`)
  const length = bytes.length / nodeKeyLengthBytes
  checkLength(length, name, lengthMax)
  return Array.from({ length }, (_, i) => readNodeKey(bytes, i * nodeKeyLengthBytes))
}

export function ticksOffset(to: Builder, rows: readonly LoadTick[]): Offset {
  if (rows.length === 0) return 0
  const proofBytes = pooledBytes(rows.length * loadProofBytes)
  for (const [i, { proof }] of rows.entries()) proofBytes.set(proof, i * loadProofBytes)
  const keys = keysOffset(
    to,
    rows.map(({ key }) => key),
  )
  const sequences = wire.LoadTicks.createSequencesVector(
    to,
    rows.map(({ sequence }) => sequence),
  )
  const ticks = wire.LoadTicks.createTicksVector(
    to,
    rows.map(({ tick }) => tick),
  )
  const levels = wire.LoadTicks.createLevelsVector(
    to,
    rows.map((row) => row.levels),
  )
  const proofs = to.createByteVector(proofBytes)
  return wire.LoadTicks.createLoadTicks(to, keys, sequences, ticks, levels, proofs)
}

export function ticksOf(table: wire.LoadTicks | null, lengthMax: number): LoadTick[] {
  if (table === null) return []
  const keys = keysOf(table.keysArray(), 'ticks.keys', lengthMax)
  const { length } = keys
  const proofs = table.proofsArray() ?? new Uint8Array(0)
  const isWhole =
    table.sequencesLength() === length &&
    table.ticksLength() === length &&
    table.levelsLength() === length &&
    proofs.length === length * loadProofBytes
  if (!isWhole) throw malformed('the columns of ticks are of different lengths')
  // One copy for all of them: they are read and forgotten together.
  const kept = proofs.slice()
  return keys.map((key, i) => ({
    key,
    sequence: table.sequences(i) ?? 0,
    tick: table.ticks(i) ?? 0,
    levels: table.levels(i) ?? 0,
    proof: kept.subarray(i * loadProofBytes, (i + 1) * loadProofBytes),
  }))
}
