/**
 * A gateway's signature over decisions, as they are kept: over the root of a tree (RFC 6962) whose
 * leaves are the very bytes of their records. Whoever has a record and its seal can check it alone.
 */
import {
  type Identity,
  leafHash,
  MerkleTree,
  type NodeId,
  rootOf,
  treeHashLengthBytes,
  verifySignature,
} from '../protocol/index.ts'

export interface DecisionSeal {
  /** Whose key signed: an id is an Ed25519 public key. */
  readonly gateway: NodeId
  /** Base64. */
  readonly signature: string
  /** Of the record's leaf, from 0. */
  readonly index: number
  readonly treeSize: number
  /** Base64: 32 bytes each, from the leaf's neighbour to the child of the root. */
  readonly siblings: string
}

/** What signs for a gateway. */
export type Signer = Pick<Identity, 'id' | 'sign'>

/** One signature over several records, from which the seal of each is made when it is read. */
export interface SealedTree {
  readonly gateway: string
  readonly signature: Uint8Array
  /** 32 bytes each. */
  readonly leaves: Uint8Array
}

const domain = Buffer.from('isochrone.v1.decisions\0')
const sizeBytes = 4

/** @param leaves of at least one record, 32 bytes each */
export function sealTree(signer: Signer, leaves: Uint8Array): SealedTree {
  const hashes = hashesIn(leaves)
  const { root } = new MerkleTree(hashes)
  const signature = signer.sign(statementOf(root, hashes.length))
  return { gateway: signer.id, signature, leaves }
}

/** @param text the record's own */
export function sealAlone(signer: Signer, text: string): DecisionSeal {
  return sealIn(sealTree(signer, leafHash(Buffer.from(text))), 0) as DecisionSeal
}

/** The seal of one of its records; undefined where there is none of that index. */
export function sealIn({ gateway, leaves, signature }: SealedTree, index: number) {
  const hashes = hashesIn(leaves)
  if (!(index >= 0 && index < hashes.length)) return undefined
  const { siblings } = new MerkleTree(hashes).inclusion(index)
  const seal: DecisionSeal = {
    gateway: gateway as NodeId,
    signature: Buffer.from(signature).toString('base64'),
    index,
    treeSize: hashes.length,
    siblings: Buffer.from(siblings).toString('base64'),
  }
  return seal
}

/** Whether the seal's gateway signed exactly this text. Never throws. */
export function isSealed(text: string, seal: DecisionSeal): boolean {
  const { gateway, index, treeSize } = seal
  const siblings = Buffer.from(seal.siblings, 'base64')
  const root = rootOf(leafHash(Buffer.from(text)), { index, treeSize, siblings })
  if (root === undefined) return false
  const signature = Buffer.from(seal.signature, 'base64')
  return verifySignature(gateway, statementOf(root, treeSize), signature)
}

function statementOf(root: Uint8Array, treeSize: number): Uint8Array {
  const size = Buffer.alloc(sizeBytes)
  size.writeUInt32BE(treeSize)
  return Buffer.concat([domain, size, root])
}

function hashesIn(leaves: Uint8Array): Uint8Array[] {
  const hashes: Uint8Array[] = []
  for (let at = 0; at + treeHashLengthBytes <= leaves.length; at += treeHashLengthBytes) {
    hashes.push(leaves.subarray(at, at + treeHashLengthBytes))
  }
  return hashes
}
