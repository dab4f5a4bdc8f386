/**
 * Bytes of a body → JSON, strictly: UTF-8 without errors, and an error that says where it went
 * wrong.
 */
import { IsochroneError } from '../../protocol/index.ts'

const decoder = new TextDecoder('utf-8', { fatal: true })

/** undefined: there is no body. */
export function parseJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch (cause) {
    throw new IsochroneError('invalid_json', 'The body is not valid UTF-8.', { cause })
  }
  try {
    return JSON.parse(text)
  } catch (cause) {
    const reason = cause instanceof Error ? safeReason(cause.message) : 'it cannot be parsed'
    throw new IsochroneError('invalid_json', `The body is not valid JSON: ${reason}`, { cause })
  }
}

/** V8 quotes the text around the error: prompts stay out of our messages. */
function safeReason(message: string): string {
  return /at position [0-9]+/.exec(message)?.[0] ?? 'it ends too early or holds an unexpected token'
}
