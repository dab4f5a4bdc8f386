/** What stands after the `?` of an address. */
import { fieldError } from '../openai/validation.ts'

/** @throws IsochroneError `invalid_request` when a name that is asked for stands there twice */
export class Query {
  readonly #parameters: URLSearchParams

  /** @param url the request's target, path and query */
  constructor(url: string) {
    const at = url.indexOf('?')
    this.#parameters = new URLSearchParams(at < 0 ? '' : url.slice(at + 1))
  }

  /** @throws IsochroneError `invalid_request` when it is none of them */
  oneOf<T extends string>(name: string, values: readonly T[]): T | undefined {
    const given = this.#one(name)
    const known = values.find((value) => value === given)
    if (given !== undefined && known === undefined) {
      throw fieldError(name, `must be one of ${values.join(', ')}`)
    }
    return known
  }

  /** A whole number of up to four digits. Throws as `oneOf`. */
  number(name: string): number | undefined {
    const given = this.#one(name)
    if (given === undefined) return undefined
    if (!/^[0-9]{1,4}$/.test(given)) throw fieldError(name, 'must be a number from 0 to 9999')
    return Number(given)
  }

  /** Throws as `oneOf`, also when it is longer. */
  text(name: string, lengthMax: number): string | undefined {
    const given = this.#one(name)
    if (given !== undefined && given.length > lengthMax) {
      throw fieldError(name, `has more than ${lengthMax} characters`)
    }
    return given
  }

  #one(name: string): string | undefined {
    const all = this.#parameters.getAll(name)
    if (all.length > 1) throw fieldError(name, 'is given more than once')
    return all[0]
  }
}
