/**
 * The last view of the mesh: who was there and at which addresses, one JSON file. It saves asking
 * anybody at the next start, and nothing in it is believed: who answers proves its id.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../base/index.ts'
import type { Contact, ContactStore } from '../../mesh/index.ts'
import { isNodeId } from '../../protocol/index.ts'
import { writeFileAtomically } from './atomic-file.ts'

/** Four full clusters; one is enough to start from. */
const contactsMax = 256
const addressesMax = 4
const addressLengthMax = 256
const fileBytesMax = 1024 * 1024

export function openMeshView(folder: string, log: Log): ContactStore {
  const file = join(folder, 'mesh-view.json')
  return {
    load: () => read(file, log),
    save(contacts) {
      const members = contacts.slice(0, contactsMax)
      writeFileAtomically(file, `${JSON.stringify({ members }, null, 2)}\n`, 0o600)
    },
  }
}

function read(file: string, log: Log): readonly Contact[] {
  try {
    const text = readFileSync(file, 'utf8')
    const content: unknown = text.length > fileBytesMax ? null : JSON.parse(text)
    const members = isObject(content) ? content['members'] : undefined
    if (Array.isArray(members) && members.length <= contactsMax && members.every(isContact)) {
      return members
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
  }
  // Without it a member starts from its gateway, as the first time.
  log.warn('the kept view of the mesh cannot be read; starting without it', { file })
  return []
}

function isContact(value: unknown): value is Contact {
  if (!isObject(value)) return false
  const { id, addresses } = value
  const isAddress = (address: unknown) =>
    typeof address === 'string' && address.length <= addressLengthMax
  return (
    typeof id === 'string' &&
    isNodeId(id) &&
    Array.isArray(addresses) &&
    addresses.length <= addressesMax &&
    addresses.every(isAddress)
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
