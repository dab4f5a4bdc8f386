/** What hosts of one part say to those of others, as words, and what they are told. */
import { WordReader, type Words, WordWriter } from '../threads/words.ts'
import type { Parcel } from '../world.ts'
import { Hearing } from './hearing.ts'
import { LatestCards } from './latest-cards.ts'
import type { MemberMessage } from './member-message.ts'
import { Telling } from './telling.ts'

interface Way {
  readonly writer: WordWriter
  readonly telling: Telling
  readonly reader: WordReader
  readonly hearing: Hearing
}

export class PartMail {
  readonly #latest = new LatestCards()
  /** By part. */
  readonly #ways = new Map<number, Way>()

  /** For that part. To be read before the next. */
  packed(parcels: readonly Parcel<MemberMessage>[], to: number): Words {
    const { telling, writer } = this.#way(to)
    for (const { atMs, target, source, order, life, bytes, message } of parcels) {
      writer.number(atMs)
      writer.number(target)
      writer.number(source)
      writer.number(order)
      writer.number(life)
      writer.number(bytes)
      telling.tell(message)
    }
    return writer.take()
  }

  /** What that part has packed, in the order in which it did. */
  unpacked(words: Words, from: number): readonly Parcel<MemberMessage>[] {
    const { hearing, reader } = this.#way(from)
    const parcels: Parcel<MemberMessage>[] = []
    reader.load(words)
    while (!reader.isAtEnd) {
      parcels.push({
        atMs: reader.number(),
        target: reader.number(),
        source: reader.number(),
        order: reader.number(),
        life: reader.number(),
        bytes: reader.number(),
        message: hearing.hear(),
      })
    }
    return parcels
  }

  #way(part: number): Way {
    const known = this.#ways.get(part)
    if (known !== undefined) return known
    const [writer, reader] = [new WordWriter(), new WordReader()]
    const telling = new Telling(writer, this.#latest)
    const hearing = new Hearing(reader, this.#latest)
    const way = { writer, telling, reader, hearing }
    this.#ways.set(part, way)
    return way
  }
}
