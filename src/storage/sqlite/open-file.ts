/** What the stores of one file share. */
import type { DatabaseSync } from 'node:sqlite'
import type { Log } from '../../base/index.ts'
import type { Signer } from '../../routing/index.ts'
import type { GroupWriter } from './group-writer.ts'

export interface Shared {
  readonly database: DatabaseSync
  readonly writer: GroupWriter
  readonly log: Log
  readonly file: string
  readonly decisionsMax: number
  readonly signer: Signer | undefined
}
