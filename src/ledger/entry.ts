/**
 * What one attempt at one node comes to. An entry is made once, when it is known what was
 * delivered, and never changed: that an account is held is a state of the account.
 *
 *   answered, and signed        what it billed, as far as it was counted
 *   … with a false bill         void: nothing of the answer is owed
 *   the client left             what had come by then, counted as it came
 *   another one has gone on     what that one took over
 *   anything else               nothing was delivered, and nothing is owed
 *
 * Whoever goes on with an answer repeats what it took over. It has not written that, but read it.
 */
import type { DecisionId, NodeId } from '../protocol/index.ts'
import { amountOf, type Terms, type Tokens } from './terms.ts'

export type EntryState = 'owed' | 'void'

export interface Entry extends Terms, Tokens {
  /** An attempt of a decision has one entry. */
  readonly decision: DecisionId
  readonly attempt: number
  readonly worker: NodeId
  readonly atMs: number
  readonly model: string
  /** As the node signed it; null: it came to no signature. */
  readonly billed: Tokens | null
  readonly amountNanoDollars: number
  readonly state: EntryState
}

/** How an attempt ended, as far as somebody owes something for it. */
export type Delivered = {
  /** Tokens that it took over from another one, of all choices. */
  readonly takenOver: number
} & (
  | {
      readonly how: 'answered'
      readonly billed: Tokens
      /** What of it can be. */
      readonly counted: Tokens
      readonly isFalse: boolean
    }
  | {
      readonly how: 'left' | 'continued'
      /** Estimated: who counts exactly has not come to say it. */
      readonly promptTokens: number
      /** Of the answer so far, what was taken over included. */
      readonly completionTokens: number
    }
)

type About = Pick<Entry, 'decision' | 'attempt' | 'worker' | 'atMs' | 'model'>

/** undefined: nothing was delivered. */
export function entryOf(delivered: Delivered, terms: Terms, about: About): Entry | undefined {
  const isFalse = delivered.how === 'answered' && delivered.isFalse
  const tokens = isFalse ? noTokens : tokensOf(delivered)
  if (!isFalse && tokens.promptTokens === 0 && tokens.completionTokens === 0) return undefined
  return {
    ...about,
    ...terms,
    ...tokens,
    billed: delivered.how === 'answered' ? delivered.billed : null,
    amountNanoDollars: amountOf(tokens, terms),
    state: isFalse ? 'void' : 'owed',
  }
}

const noTokens: Tokens = { promptTokens: 0, completionTokens: 0 }

function tokensOf(delivered: Delivered): Tokens {
  const { takenOver } = delivered
  if (delivered.how === 'answered') {
    const { counted } = delivered
    // It cannot have taken over more than the whole answer has.
    const read = Math.min(takenOver, counted.completionTokens)
    return {
      promptTokens: counted.promptTokens + read,
      completionTokens: counted.completionTokens - read,
    }
  }
  const { completionTokens, promptTokens } = delivered
  const written = completionTokens - takenOver
  // It read, and nobody got anything of it.
  if (written <= 0) return noTokens
  return { promptTokens: promptTokens + takenOver, completionTokens: written }
}

/** What `flush` has resolved for survives a restart. */
export interface LedgerStore {
  /** An attempt that has an entry gets no second one. */
  post(entry: Entry): void
  flush(): Promise<void>
  /** Of what was flushed; sums of all that was ever posted. */
  accounts(): readonly AccountTotals[]
  account(worker: NodeId): AccountTotals | undefined
  /** Newest first; the oldest of all accounts go, and stay in the sums. */
  entries(worker: NodeId, count: number): readonly Entry[]
}

/** Sums over an account's entries. */
export interface AccountTotals extends Tokens {
  readonly worker: NodeId
  /** Entries that are owed, and those that are void. */
  readonly answers: number
  readonly voids: number
  readonly amountNanoDollars: number
  readonly firstAtMs: number
  readonly lastAtMs: number
}
