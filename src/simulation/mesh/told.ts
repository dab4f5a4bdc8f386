/**
 * What goes from one thread to another once, and then as a number, until the one whose word it is
 * says something else. Both ends number what goes along in the same order.
 */
export class Told<TWord extends object> {
  readonly #numberOf = new Map<string, number>()
  readonly #words: TWord[] = []

  /** @returns its number, where it is what that one said last */
  put(by: string, word: TWord): number | undefined {
    const number = this.#numberOf.get(by)
    if (number === undefined) {
      this.#numberOf.set(by, this.#words.length)
      this.#words.push(word)
      return undefined
    }
    if (this.#words[number] === word) return number
    this.#words[number] = word
    return undefined
  }

  at(number: number): TWord {
    return this.#words[number] as TWord
  }
}
