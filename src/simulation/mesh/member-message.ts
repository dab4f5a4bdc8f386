/** What members of the simulated federation say to each other. */
import type { MachineSend } from '../../mesh/index.ts'
import type { LoadMessage } from '../../protocol/index.ts'

export type MemberMessage =
  | MachineSend['part']
  | { readonly kind: 'load'; readonly message: LoadMessage }
