/** What a member says, and to whom: each message with as much news as fits. */
import type { NodeId } from '../../protocol/index.ts'
import type { Outbox } from '../outbox.ts'
import { Dissemination } from './dissemination.ts'
import type { MessageBody } from './messages.ts'
import { type MembershipPreset, membershipLimits } from './presets.ts'
import { statementsFor } from './push-pull.ts'
import type { Roster } from './roster.ts'
import { type AliveStatement, type Statement, statementBytes } from './statements.ts'
import type { MembershipEvent, Send } from './step.ts'

interface VoiceModules {
  readonly out: Outbox<Send, MembershipEvent>
  readonly preset: MembershipPreset
  readonly roster: Roster
}

export class Voice {
  readonly #modules: VoiceModules
  readonly news: Dissemination
  /** What the member says of itself. */
  own: AliveStatement
  /** Whoever leaves reminds nobody of what is said of them. */
  isLeaving = false

  constructor(own: AliveStatement, modules: VoiceModules) {
    this.own = own
    this.#modules = modules
    this.news = new Dissemination(modules.preset.retransmitFactor)
  }

  tell(to: NodeId, statement: Statement): void {
    this.#modules.out.send({ to, message: { kind: 'gossip', news: [statement] } })
  }

  /** Of what is said against it, and nothing else: news is for members. */
  remind(to: NodeId): void {
    const { out, roster } = this.#modules
    out.send({ to, message: { kind: 'gossip', news: roster.saidAgainst(to) } })
  }

  sync(to: NodeId): void {
    const summary = this.#modules.roster.summaryWith(this.own)
    this.#modules.out.send({ to, message: { kind: 'sync', summary, news: [this.own] } })
  }

  statements(to: NodeId, subjects: readonly NodeId[], wants: readonly NodeId[]): void {
    const { out, roster } = this.#modules
    const news = statementsFor(to, subjects, { own: this.own, roster })
    out.send({ to, message: { kind: 'sync-reply', wants, news } })
  }

  /**
   * With as much news as fits; what concerns the receiver itself first (Lifeguard's buddy). A
   * stranger gets its answer and learns nothing, nor does it use up what members are to be told.
   */
  send(to: NodeId, body: MessageBody): void {
    const { out, preset, roster } = this.#modules
    if (!roster.knows(to)) {
      out.send({ to, message: { ...body, news: [] } })
      return
    }
    const isBuddy = preset.mechanisms.buddy && !this.isLeaving
    const urgent = isBuddy ? roster.saidAgainst(to) : []
    let room = membershipLimits.piggybackBytesMax
    for (const statement of urgent) room -= statementBytes(statement)
    const others = this.news.take(room, roster.clusterSize, urgent)
    const news = urgent.length === 0 ? others : [...urgent, ...others]
    out.send({ to, message: { ...body, news } })
  }
}
