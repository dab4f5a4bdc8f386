/**
 * What a gateway or node tells the process that started it, over the IPC channel. The channel is
 * also how the child learns that its parent is gone, however it went.
 */
export type ChildReport =
  | { readonly type: 'stage'; readonly stage: string }
  | { readonly type: 'notice'; readonly words: string }
  | { readonly type: 'ready'; readonly facts: ReadyFacts }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }

/** Flat, so that it crosses the channel as it is. */
export type ReadyFacts = Readonly<Record<string, string | number | boolean | null>>

/** From the parent. */
export interface StopRequest {
  readonly type: 'stop'
}

export function isChildReport(message: unknown): message is ChildReport {
  if (typeof message !== 'object' || message === null || !('type' in message)) return false
  return ['stage', 'notice', 'ready', 'failed'].includes(String(message.type))
}

/** Does nothing where no parent listens. */
export function reportToParent(report: ChildReport): void {
  // The parent may leave at any time; `disconnect` says so, this call need not.
  if (process.connected) process.send?.(report, undefined, {}, () => {})
}
