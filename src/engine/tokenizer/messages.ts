/** OpenAI's messages as a text-only template takes them: a role and one string. */
import { type ChatMessage, IsochroneError, type JsonObject } from '../../protocol/index.ts'
import type { TemplateMessage } from './chat-template.ts'

/** Errors: `invalid_request`, `capability_missing` for images, sound, files and tool calls. */
export function templateMessages(
  messages: readonly ChatMessage[],
  knowsDeveloperRole: boolean,
): TemplateMessage[] {
  return messages.map((message, index) => {
    if (message.role === 'tool' || (message.tool_calls?.length ?? 0) > 0) {
      throw new IsochroneError(
        'capability_missing',
        `messages[${index}] is about tool calls, which this engine cannot do.`,
        { detail: { capability: 'tools', param: `messages[${index}]` } },
      )
    }
    const role = message.role === 'developer' && !knowsDeveloperRole ? 'system' : message.role
    const content = textOf(message.content, index)
    return message.name === undefined ? { role, content } : { role, content, name: message.name }
  })
}

function textOf(content: ChatMessage['content'], index: number): string {
  if (content === null) return ''
  if (typeof content === 'string') return content
  return content.map((part, at) => partText(part, `messages[${index}].content[${at}]`)).join('\n')
}

function partText(part: JsonObject, where: string): string {
  const { type, text } = part
  if (type === 'text' && typeof text === 'string') return text
  if (type === 'text') {
    throw new IsochroneError('invalid_request', `${where}.text must be a string.`, {
      detail: { param: where },
    })
  }
  throw new IsochroneError(
    'capability_missing',
    `${where} has the type ${JSON.stringify(type ?? null)}; this engine reads only text.`,
    { detail: { capability: 'images', param: where } },
  )
}
