/**
 * The last view of the mesh: who was there, at which addresses, and each one's signed card; one
 * JSON file. It saves asking anybody at the next start, and nothing in it is believed: who answers
 * proves its id, and cards are verified by whoever takes them up.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../base/index.ts'
import type { Contact, ContactStore } from '../../mesh/index.ts'
import { isNodeId, type NodeId } from '../../protocol/index.ts'
import { removeUnfinished } from './atomic-file.ts'
import { BackgroundFile } from './background-file.ts'

/** Four full clusters; one is enough to start from. */
const contactsMax = 256
const addressesMax = 4
const addressLengthMax = 256
/** A card has about 800 bytes, 1,400 at most. */
const cardCharactersMax = 4_096
const fileBytesMax = 1024 * 1024

export interface MeshViewFile extends ContactStore {
  /** What was saved is on the disk, or was told to have failed. */
  settled(): Promise<void>
}

export function openMeshView(folder: string, log: Log): MeshViewFile {
  const path = join(folder, 'mesh-view.json')
  const file = new BackgroundFile(path, 0o600)
  removeUnfinished(path)
  return {
    load: () => read(path, log),
    async save(contacts) {
      const members = contacts.slice(0, contactsMax).map(keptOf)
      await file.write(`${JSON.stringify({ members }, null, 2)}\n`)
    },
    settled: () => file.settled(),
  }
}

function read(file: string, log: Log): readonly Contact[] {
  try {
    const text = readFileSync(file, 'utf8')
    const content: unknown = text.length > fileBytesMax ? null : JSON.parse(text)
    const members = isObject(content) ? content['members'] : undefined
    if (Array.isArray(members) && members.length <= contactsMax && members.every(isKept)) {
      return members.map(contactOf)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
  }
  // Without it a member starts from its gateway, as the first time.
  log.warn('the kept view of the mesh cannot be read; starting without it', { file })
  return []
}

/** As JSON has it. What the first version wrote has neither role nor card. */
interface KeptContact {
  readonly id: NodeId
  readonly role?: Contact['role']
  readonly addresses: readonly string[]
  /** true, where it was in the same cluster. */
  readonly fellow?: boolean
  /** Base64. */
  readonly card?: string
}

function keptOf({ id, role, addresses, card, isFellow = false }: Contact): KeptContact {
  const fellow = isFellow ? { fellow: true } : {}
  const kept = { id, role: role ?? 'node', addresses, ...fellow }
  return card === undefined ? kept : { ...kept, card: Buffer.from(card).toString('base64') }
}

function contactOf({ id, role = 'node', addresses, card, fellow }: KeptContact): Contact {
  const kept = { id, role, addresses, card: card === undefined ? undefined : bytesOf(card) }
  return fellow === true ? { ...kept, isFellow: true } : kept
}

function bytesOf(card: string): Uint8Array {
  return new Uint8Array(Buffer.from(card, 'base64'))
}

function isKept(value: unknown): value is KeptContact {
  if (!isObject(value)) return false
  const { id, addresses, card, fellow, role = 'node' } = value
  const isAddress = (address: unknown) =>
    typeof address === 'string' && address.length <= addressLengthMax
  return (
    typeof id === 'string' &&
    isNodeId(id) &&
    (role === 'node' || role === 'gateway') &&
    (fellow === undefined || typeof fellow === 'boolean') &&
    (card === undefined || (typeof card === 'string' && card.length <= cardCharactersMax)) &&
    Array.isArray(addresses) &&
    addresses.length <= addressesMax &&
    addresses.every(isAddress)
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
