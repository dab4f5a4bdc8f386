/** Sizes of statements in their encoded form, for the piggyback budget. */
import type { Statement } from '../../protocol/index.ts'

export type {
  Accusation,
  AliveStatement,
  LeftStatement,
  Signed,
  Statement,
  StatementBody,
  Verification,
} from '../../protocol/index.ts'
export { signerOf } from '../../protocol/index.ts'

const idBytes = 32
/** Incarnation, time of issue and signature, and a FlatBuffers table around them. */
const sealedTableBytes = 8 + 8 + 64 + 42

export function statementBytes(statement: Statement): number {
  switch (statement.kind) {
    case 'alive':
      return sealedTableBytes + idBytes + 4 + statement.payload.length
    case 'left':
      return sealedTableBytes + idBytes
    case 'suspect':
    case 'dead':
      return sealedTableBytes + 2 * idBytes
  }
}
