/**
 * Added tokens: texts that a tokenizer treats as one token wherever they occur. The *special*
 * ones are control tokens (end of turn, a role's mark), which only the template may write, never
 * a user.
 */
export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special: boolean
  /** Matched after normalisation instead of before it. */
  readonly normalized: boolean
  readonly lstrip: boolean
  readonly rstrip: boolean
}

/** A piece of text, or an added token found in it. */
export type Section = string | AddedToken

/** Finds added tokens in text: leftmost, and the longest where several begin at one place. */
export class AddedTokenSplitter {
  readonly #byContent: ReadonlyMap<string, AddedToken>
  readonly #pattern: RegExp | null

  constructor(tokens: readonly AddedToken[]) {
    this.#byContent = new Map(tokens.map((token) => [token.content, token]))
    this.#pattern = alternatives(tokens.map((token) => token.content))
  }

  split(text: string): Section[] {
    if (this.#pattern === null) return text === '' ? [] : [text]
    const sections: Section[] = []
    let from = 0
    let stripNext = false
    const addText = (end: number, stripEnd: boolean) => {
      let piece = text.slice(from, end)
      if (stripNext) piece = piece.trimStart()
      if (stripEnd) piece = piece.trimEnd()
      if (piece !== '') sections.push(piece)
    }
    for (const match of text.matchAll(this.#pattern)) {
      const token = this.#byContent.get(match[0])
      if (token === undefined) continue
      addText(match.index, token.lstrip)
      sections.push(token)
      stripNext = token.rstrip
      from = match.index + match[0].length
    }
    addText(text.length, false)
    return sections
  }
}

/**
 * Breaks special tokens in text that somebody else wrote, by a sentinel character inside each
 * occurrence and at ends that a template could complete into one. The tokenizer drops the
 * sentinels after it has looked for special tokens, so the ids are those of the plain characters.
 */
export class SpecialTokenGuard {
  readonly #pattern: RegExp | null
  readonly #prefixes = new Set<string>()
  readonly #suffixes = new Set<string>()
  readonly #lengthMax: number
  readonly #contents: readonly string[]

  constructor(contents: readonly string[]) {
    this.#contents = contents
    this.#pattern = alternatives(contents)
    this.#lengthMax = contents.reduce((most, content) => Math.max(most, content.length), 0)
    for (const content of contents) {
      for (let length = 1; length < content.length; length += 1) {
        this.#prefixes.add(content.slice(0, length))
        this.#suffixes.add(content.slice(-length))
      }
    }
  }

  protect(text: string, sentinel: string): string {
    if (this.#pattern === null || text === '') return text
    let guarded = text.replace(this.#pattern, (found) => breakUp(found, sentinel))
    const inside = this.#isInsideToken(text)
    if (inside || this.#endsLikeToken(text)) guarded += sentinel
    if (inside || this.#beginsLikeToken(text)) guarded = sentinel + guarded
    return guarded
  }

  #isInsideToken(text: string): boolean {
    return text.length < this.#lengthMax && this.#contents.some((token) => token.includes(text))
  }

  #endsLikeToken(text: string): boolean {
    for (let length = 1; length < Math.min(this.#lengthMax, text.length + 1); length += 1) {
      if (this.#prefixes.has(text.slice(-length))) return true
    }
    return false
  }

  #beginsLikeToken(text: string): boolean {
    for (let length = 1; length < Math.min(this.#lengthMax, text.length + 1); length += 1) {
      if (this.#suffixes.has(text.slice(0, length))) return true
    }
    return false
  }
}

/** A private-use character that occurs in none of the texts. */
export function unusedSentinel(texts: readonly string[]): string {
  for (let code = 0xe000; code <= 0xf8ff; code += 1) {
    const character = String.fromCharCode(code)
    if (!texts.some((text) => text.includes(character))) return character
  }
  // All 6400 characters are in use: text made for that. U+FDD0 and its 31 neighbours are
  // noncharacters.
  return '\ufdd0'
}

/** A sentinel after every character: a token that overlaps this one is broken as well. */
function breakUp(found: string, sentinel: string): string {
  return Array.from(found).join(sentinel) + sentinel
}

function alternatives(contents: readonly string[]): RegExp | null {
  const sorted = contents.filter((content) => content !== '').sort((a, b) => b.length - a.length)
  if (sorted.length === 0) return null
  return new RegExp(sorted.map((content) => RegExp.escape(content)).join('|'), 'gu')
}
