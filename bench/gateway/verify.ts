/** Whether a target's answers are right and whole: a figure for wrong answers is worth nothing. */
import { chatBody, type RequestKind } from './load.ts'
import type { Target } from './target.ts'

const expected = Array.from({ length: 20 }, (_, index) => ` word${index}`).join('')

/** What is wrong with the target's answers; undefined: nothing. */
export async function findFault(target: Target): Promise<string | undefined> {
  const answer: { choices?: { message?: { content?: string } }[] } = JSON.parse(
    await ask(target, 'answer'),
  )
  const content = answer.choices?.[0]?.message?.content
  if (content !== expected) return `the answer’s text is ${JSON.stringify(content)}`
  const events = (await ask(target, 'stream'))
    .split('\n\n')
    .map((event) => event.replace(/^data: /, '').trim())
    .filter((event) => event !== '' && !event.startsWith(':'))
  if (events.at(-1) !== '[DONE]') return `the stream ends with ${events.at(-1)}`
  const deltas = events.slice(0, -1).map((event) => {
    const parsed: { choices?: { delta?: { content?: string } }[] } = JSON.parse(event)
    return parsed.choices?.[0]?.delta?.content ?? ''
  })
  if (deltas.join('') !== expected) return `the stream’s text is ${JSON.stringify(deltas.join(''))}`
  return undefined
}

async function ask(target: Target, kind: RequestKind): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${target.port}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: 'Bearer bench',
      ...target.headers,
    },
    body: chatBody(target.model, kind),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`status ${response.status}: ${text.slice(0, 300)}`)
  return text
}
