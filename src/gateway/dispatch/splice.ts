/**
 * Where one worker's answer goes on behind another's. Whoever goes on begins by repeating what was
 * there; that is compared with what the client has, and only what is new passes.
 *
 * So no token comes twice and none is missing, whatever either of them says: a worker that has
 * other tokens, or reads the same tokens as another text, is not let through.
 */
import { type GenerationDelta, type GenerationEvent, IsochroneError } from '../../protocol/index.ts'
import { TextMark, type Written } from './written.ts'

interface Seam {
  readonly tokenIds: readonly number[]
  readonly text: TextMark
  readonly wasFinished: boolean
  /** Tokens repeated so far, and their text. */
  repeated: number
  readonly repeatedText: TextMark
  isPassed: boolean
}

export class Splice {
  readonly #seams: readonly Seam[]
  readonly #hadUsage: boolean
  #isDone = false

  constructor({ choices, hasUsage }: Written) {
    this.#hadUsage = hasUsage
    this.#seams = choices.map(({ tokenIds, text, isFinished }) => ({
      // More come to lie behind them.
      tokenIds: [...tokenIds],
      text: text.copy(),
      wasFinished: isFinished,
      repeated: 0,
      repeatedText: new TextMark(),
      isPassed: tokenIds.length === 0 && text.units === 0,
    }))
  }

  /** What the client does not have. Throws `continuation_differs`. */
  pass(events: readonly GenerationEvent[]): readonly GenerationEvent[] {
    if (this.#isDone) return events
    const passed = events.filter((event) => this.#isNew(event))
    const isOpen = ({ isPassed, wasFinished }: Seam) => !isPassed || wasFinished
    this.#isDone = !this.#hadUsage && !this.#seams.some(isOpen)
    return passed
  }

  #isNew(event: GenerationEvent): boolean {
    if (event.type === 'usage') return !this.#hadUsage
    const seam = this.#seams[event.choice]
    if (seam === undefined) throw differs(`it speaks of choice ${event.choice}`)
    if (event.type === 'delta') {
      if (!seam.isPassed) {
        repeat(seam, event)
        return false
      }
      if (seam.wasFinished) throw differs('it goes on behind the end of the answer')
      return true
    }
    if (!seam.isPassed) throw differs('it ends before the place where the answer broke off')
    return !seam.wasFinished
  }
}

function repeat(seam: Seam, { tokenIds, text }: GenerationDelta): void {
  for (const id of tokenIds) {
    if (seam.repeated >= seam.tokenIds.length) throw differs('it has more tokens for the same text')
    if (seam.tokenIds[seam.repeated] !== id) throw differs('it has other tokens')
    seam.repeated += 1
  }
  seam.repeatedText.add(text)
  if (seam.repeatedText.units > seam.text.units) throw differs('it has more text')
  if (seam.repeated < seam.tokenIds.length || seam.repeatedText.units < seam.text.units) return
  if (!seam.repeatedText.isLike(seam.text)) throw differs('it has another text')
  seam.isPassed = true
}

function differs(how: string): IsochroneError {
  const message = `What was to go on does not begin as the answer that broke off: ${how}.`
  return new IsochroneError('continuation_differs', message)
}
