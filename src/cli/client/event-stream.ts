/** Server-sent events → their data, as far as OpenAI's interface uses them. */

/** Longer lines are no chunk of an answer. */
const lineLengthMax = 16 * 1024 * 1024

/** Yields each event's data until `[DONE]` or the end. */
export async function* readEventData(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true })
    if (rest.length > lineLengthMax) throw new Error('an event is too long')
    const lines = rest.split(/\r?\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (!line.startsWith('data:')) continue
      const data = line.slice('data:'.length).trim()
      if (data === '[DONE]') return
      yield data
    }
  }
}
