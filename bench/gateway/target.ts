/** One way from the client to the mock server, and how it is started. */
import type { Service } from './service.ts'

export interface Target {
  readonly name: string
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  readonly model: string
  /** The processes behind it; the first one's memory is reported. */
  readonly services: readonly Service[]
}

/** What every way is asked to be: started, or a reason why it is left out. */
export type Started = { readonly target: Target } | { readonly skipped: string }

export interface StartContext {
  readonly mockPort: number
  /** For configurations and data; removed at the end. */
  readonly folder: string
}
