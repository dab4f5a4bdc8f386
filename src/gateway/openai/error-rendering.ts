/** An error in OpenAI's shape. */
import { errorCodes, type IsochroneError } from '../../protocol/index.ts'

/**
 * What a client may see; the message of an `internal` error may name our files, so it stays in the
 * log.
 */
export function renderError(error: IsochroneError): string {
  const entry = errorCodes[error.code]
  const param = error.detail['param']
  const message = error.code === 'internal' ? entry.meaning : error.message
  return JSON.stringify({
    error: {
      message,
      type: entry.type,
      param: typeof param === 'string' && param !== '' ? param : null,
      code: error.code,
    },
  })
}

/** For a stream that has begun: OpenAI's clients raise it; no `[DONE]` follows. */
export function renderStreamError(error: IsochroneError): string {
  return `data: ${renderError(error)}\n\n`
}
