/** The random numbers that a decision drew, noted, and given again when it is made again. */
import { assert, type Random } from '../../base/index.ts'

export type Draws = readonly number[]

const none: Draws = Object.freeze([])

/** One for all decisions: each runs to its end before another begins. */
export class DrawsNoted implements Random {
  #random: Random | undefined
  #draws: number[] = []

  /** @returns itself, drawing from there */
  from(random: Random): Random {
    this.#random = random
    this.#draws.length = 0
    return this
  }

  taken(): Draws {
    this.#random = undefined
    return this.#draws.length === 0 ? none : this.#draws.slice()
  }

  float(): number {
    return this.#noted(this.#source().float())
  }

  below(limit: number): number {
    return this.#noted(this.#source().below(limit))
  }

  bytes(length: number): Uint8Array {
    return this.#source().bytes(length)
  }

  #noted(draw: number): number {
    this.#draws.push(draw)
    return draw
  }

  #source(): Random {
    assert(this.#random !== undefined, 'a decision draws while it is made')
    return this.#random
  }
}

/** Gives what was noted. A decision that asks for anything else is another one. */
export class DrawsAgain implements Random {
  readonly #draws: Draws
  #next = 0
  #hasFitted = true

  constructor(draws: Draws) {
    this.#draws = draws
  }

  /** Whether exactly what was noted was asked for. */
  get hasFitted(): boolean {
    return this.#hasFitted && this.#next === this.#draws.length
  }

  float(): number {
    const draw = this.#draw()
    if (draw >= 0 && draw < 1) return draw
    this.#hasFitted = false
    return 0
  }

  below(limit: number): number {
    const draw = this.#draw()
    if (Number.isInteger(draw) && draw >= 0 && draw < limit) return draw
    this.#hasFitted = false
    return 0
  }

  bytes(length: number): Uint8Array {
    this.#hasFitted = false
    return new Uint8Array(length)
  }

  #draw(): number {
    const draw = this.#draws[this.#next]
    this.#next += 1
    return draw ?? Number.NaN
  }
}
