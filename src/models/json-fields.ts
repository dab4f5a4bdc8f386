/**
 * Reads fields of somebody else's JSON object, each with its type and range checked.
 */
import { corrupt } from './model-fault.ts'

export class JsonFields {
  readonly file: string
  readonly #values: Readonly<Record<string, unknown>>

  /** @throws IsochroneError `model_corrupt` when it is not an object */
  constructor(value: unknown, file: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw corrupt({ file }, 'it is not a JSON object')
    }
    this.file = file
    this.#values = value as Readonly<Record<string, unknown>>
  }

  static parse(text: string, file: string): JsonFields {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      throw corrupt({ file }, 'it is not valid JSON', error)
    }
    return new JsonFields(value, file)
  }

  /** Present and not null. */
  has(field: string): boolean {
    return Object.hasOwn(this.#values, field) && (this.#values[field] ?? null) !== null
  }

  /** Present, even as null. */
  names(field: string): boolean {
    return Object.hasOwn(this.#values, field)
  }

  value(field: string): unknown {
    return this.has(field) ? this.#values[field] : undefined
  }

  whole(field: string, range: { min: number; max: number; default?: number }): number {
    const value = this.value(field) ?? range.default
    if (!Number.isSafeInteger(value) || (value as number) < range.min) {
      throw corrupt({ file: this.file, field }, `a whole number from ${range.min} is needed`)
    }
    if ((value as number) > range.max) {
      throw corrupt({ file: this.file, field }, `${value} is over the limit of ${range.max}`)
    }
    return value as number
  }

  /** A finite number above zero. */
  positive(field: string, fallback?: number): number {
    const value = this.value(field) ?? fallback
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
      throw corrupt({ file: this.file, field }, 'a number above zero is needed')
    }
    return value
  }

  flag(field: string, fallback: boolean): boolean {
    const value = this.value(field) ?? fallback
    if (typeof value !== 'boolean') {
      throw corrupt({ file: this.file, field }, 'true or false is needed')
    }
    return value
  }

  text(field: string, fallback?: string): string {
    const value = this.value(field) ?? fallback
    if (typeof value !== 'string' || value.length > 4096) {
      throw corrupt({ file: this.file, field }, 'a short text is needed')
    }
    return value
  }

  list(field: string): readonly unknown[] | undefined {
    const value = this.value(field)
    if (value === undefined) return undefined
    if (!Array.isArray(value)) throw corrupt({ file: this.file, field }, 'a list is needed')
    return value
  }

  object(field: string): JsonFields | undefined {
    const value = this.value(field)
    return value === undefined ? undefined : new JsonFields(value, `${this.file}: ${field}`)
  }
}
