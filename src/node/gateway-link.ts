/**
 * One gateway, for as long as the node lives: dial, join, report, and again with back-off when it
 * is lost.
 */
import { type Clock, type Log, type Random, sleep } from '../base/index.ts'
import {
  asIsochroneError,
  decodeJoinReply,
  decodeReportAck,
  encodeJoin,
  encodeReport,
  IsochroneError,
  type JoinReply,
  type LinkReport,
  type LoadReport,
  methods,
  type NodeId,
  type SignedNodeRecord,
  shortId,
} from '../protocol/index.ts'
import { type Connection, callUnary, type Transport } from '../transport/index.ts'
import { backoffMs } from './backoff.ts'
import type { GatewayAddress } from './gateway-address.ts'
import type { HeldGateways } from './held-gateways.ts'
import type { NodeLimits } from './limits.ts'

/** Which key a gateway had when it was first met (trust on first use). */
export interface KnownGateways {
  get(address: string): NodeId | undefined
  put(address: string, id: NodeId): void
}

export interface LinkOptions {
  readonly gateway: GatewayAddress
  readonly token: string
  readonly network: string
  readonly limits: NodeLimits
}

export interface LinkModules {
  readonly transport: Transport
  readonly known: KnownGateways
  /** Shared by all links of the node. */
  readonly held: HeldGateways
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The record to show now. */
  readonly record: () => SignedNodeRecord
  readonly load: () => LoadReport
  /** What is measured of the ways to other members. */
  readonly links: () => readonly LinkReport[]
  readonly onJoined: (connection: Connection, address: string) => void
  readonly onLost: (gateway: NodeId, reason: string) => void
}

/** What trying again cannot mend: a person has to. */
const lasting = ['identity_mismatch', 'join_refused', 'invalid_configuration'] as const

export class GatewayLink {
  readonly #options: LinkOptions
  readonly #modules: LinkModules
  readonly #stop = new AbortController()
  #gateway: NodeId | undefined
  #connection: Connection | undefined
  #everJoined = false
  #failures = 0
  #linksToldAtMs = Number.NEGATIVE_INFINITY
  #wakeReporter: (() => void) | undefined
  /** There is a reason not to wait for the next heartbeat. */
  #woken = false

  constructor(options: LinkOptions, modules: LinkModules) {
    this.#options = options
    this.#modules = modules
  }

  /** The gateway, while joined. */
  get gateway(): NodeId | undefined {
    return this.#gateway
  }

  /**
   * Keeps the link until `close`.
   * @throws IsochroneError when the gateway was never joined and trying again would not help
   */
  async run(): Promise<void> {
    const { log } = this.#modules
    const { gateway } = this.#options
    while (!this.#stop.signal.aborted) {
      let outcome: 'ended' | 'standby' = 'ended'
      try {
        outcome = await this.#session()
      } catch (error) {
        const fault = asIsochroneError(error)
        if (this.#stop.signal.aborted) return
        if (!this.#everJoined && (lasting as readonly string[]).includes(fault.code)) throw fault
        const fields = { gateway: gateway.address, code: fault.code, reason: fault.message }
        log.warn('no link to the gateway; trying again', fields)
      }
      await this.#pause(outcome)
    }
  }

  /** The load is another than the one reported last. */
  loadChanged(): void {
    this.#wake()
  }

  /** Tells the gateway the present load at once; used for the last report before leaving. */
  async reportNow(): Promise<void> {
    const connection = this.#connection
    if (this.#gateway !== undefined && connection !== undefined) {
      await this.#report(connection, null)
    }
  }

  async close(): Promise<void> {
    this.#stop.abort(new IsochroneError('cancelled', 'the node is stopping'))
    this.#wake()
    await this.#connection?.close()
  }

  async #pause(outcome: 'ended' | 'standby'): Promise<void> {
    const { clock, random } = this.#modules
    const { reconnectFirstMs: firstMs, reconnectMaxMs: maxMs } = this.#options.limits
    if (outcome === 'ended') this.#failures += 1
    const delayMs =
      outcome === 'standby' ? maxMs : backoffMs(this.#failures, { firstMs, maxMs }, random)
    await sleep(clock, delayMs, this.#stop.signal).catch(() => undefined)
  }

  /** From dialling to the loss of the connection; `standby`: another link holds this gateway. */
  async #session(): Promise<'ended' | 'standby'> {
    const { held, known } = this.#modules
    const { gateway } = this.#options
    const expected = gateway.id ?? known.get(gateway.address)
    if (expected !== undefined && held.isHeldBesides(expected, this)) return 'standby'
    const connection = await this.#dial()
    try {
      if (held.isHeldBesides(connection.peer, this)) {
        this.#modules.log.info('this gateway is joined under another address already', {
          gateway: connection.peer,
          address: gateway.address,
        })
        return 'standby'
      }
      held.hold(connection.peer, this)
      await this.#attend(connection)
      return 'ended'
    } finally {
      held.leave(connection.peer, this)
      await connection.close()
    }
  }

  /** From joining to the loss of the connection. */
  async #attend(connection: Connection): Promise<void> {
    const { clock, onJoined, onLost } = this.#modules
    this.#connection = connection
    let lost = 'the node is stopping'
    let joinedAtMs = clock.monotonic()
    try {
      const reply = await this.#join(connection)
      joinedAtMs = clock.monotonic()
      this.#gateway = connection.peer
      this.#everJoined = true
      onJoined(connection, this.#options.gateway.address)
      lost = await this.#reportUntilLost(connection, reply)
    } catch (error) {
      lost = asIsochroneError(error).message
      throw error
    } finally {
      this.#connection = undefined
      if (this.#gateway !== undefined) onLost(this.#gateway, lost)
      this.#gateway = undefined
      // A gateway that takes the node in and drops it at once is not to be hammered.
      const heldMs = clock.monotonic() - joinedAtMs
      if (heldMs >= this.#options.limits.linkSteadyMs) this.#failures = 0
    }
  }

  async #dial(): Promise<Connection> {
    const { gateway, limits } = this.#options
    const { clock, known, log, transport } = this.#modules
    const remembered = known.get(gateway.address)
    const timeout = new AbortController()
    const timer = clock.after(limits.dialTimeoutMs, () =>
      timeout.abort(new IsochroneError('peer_unreachable', `${gateway.address} does not answer`)),
    )
    const signal = AbortSignal.any([timeout.signal, this.#stop.signal])
    let connection: Connection | undefined
    try {
      connection = await transport.dial(gateway.address, gateway.id ?? remembered, signal)
      if (gateway.id === undefined && remembered === undefined) {
        log.warn('first contact with a gateway: its key is trusted and remembered', {
          gateway: gateway.address,
          id: connection.peer,
        })
        known.put(gateway.address, connection.peer)
      }
      return connection
    } catch (error) {
      if (connection === undefined) throw explainDial(error, gateway, remembered)
      // Its key could not be remembered: that says nothing of the gateway.
      await connection.close()
      throw error
    } finally {
      timer.cancel()
    }
  }

  async #join(connection: Connection): Promise<JoinReply> {
    const { limits, network, token } = this.#options
    const message = encodeJoin({ token, record: this.#modules.record() })
    const answer = await callUnary(connection, methods.join, message, {
      deadlineMs: limits.joinTimeoutMs,
      signal: this.#stop.signal,
    })
    const reply = decodeJoinReply(answer)
    if (reply.gateway !== connection.peer) {
      throw new IsochroneError(
        'identity_mismatch',
        `the gateway at ${this.#options.gateway.address} says it is ${shortId(reply.gateway)}, ` +
          `but its key is that of ${shortId(connection.peer)}`,
      )
    }
    if (reply.network !== network) {
      throw new IsochroneError(
        'join_refused',
        `the gateway at ${this.#options.gateway.address} belongs to the network ` +
          `"${reply.network}", this node to "${network}"; ` +
          `start the node with --network ${reply.network}`,
      )
    }
    return reply
  }

  /** Regularly, and soon after every change. Resolves with why the connection ended. */
  async #reportUntilLost(connection: Connection, reply: JoinReply): Promise<string> {
    const { limits } = this.#options
    const heartbeatMs = Math.min(
      limits.heartbeatMaxMs,
      Math.max(limits.heartbeatMinMs, reply.heartbeatMs),
    )
    let lost: string | undefined
    this.#woken = false
    void connection.closed.then((reason) => {
      lost = 'detail' in reason ? `${reason.kind}: ${reason.detail}` : reason.kind
      this.#wake()
    })
    let shown = this.#modules.record()
    while (lost === undefined && !this.#stop.signal.aborted) {
      await this.#nextReport(heartbeatMs)
      if (lost !== undefined || this.#stop.signal.aborted) break
      this.#woken = false
      const record = this.#modules.record()
      try {
        await this.#report(connection, record === shown ? null : record)
      } catch (error) {
        // A connection that broke says so itself; a gateway that refuses a report has to be joined
        // anew.
        if (lost === undefined && !this.#stop.signal.aborted)
          lost = `report failed: ${asIsochroneError(error).message}`
      }
      shown = record
    }
    return this.#stop.signal.aborted ? 'the node is stopping' : (lost ?? '')
  }

  async #report(connection: Connection, record: SignedNodeRecord | null): Promise<void> {
    const message = encodeReport({ load: this.#modules.load(), record, links: this.#dueLinks() })
    const answer = await callUnary(connection, methods.report, message, {
      deadlineMs: this.#options.limits.reportTimeoutMs,
    })
    decodeReportAck(answer)
  }

  /** Ways change slowly, and are far more to tell than the load. */
  #dueLinks(): readonly LinkReport[] {
    const now = this.#modules.clock.monotonic()
    if (now - this.#linksToldAtMs < this.#options.limits.linkReportIntervalMs) return []
    this.#linksToldAtMs = now
    return this.#modules.links()
  }

  #wake(): void {
    this.#woken = true
    this.#wakeReporter?.()
  }

  /** Resolves at the next heartbeat, or a moment after a change of load. */
  async #nextReport(heartbeatMs: number): Promise<void> {
    const { clock } = this.#modules
    await sleep(clock, this.#options.limits.reportIntervalMinMs, this.#stop.signal).catch(() => {})
    if (this.#woken || this.#stop.signal.aborted) return
    await new Promise<void>((resolve) => {
      const timer = clock.after(heartbeatMs, resolve)
      const wake = () => {
        timer.cancel()
        resolve()
      }
      this.#wakeReporter = wake
    })
    this.#wakeReporter = undefined
  }
}

/**
 * In a person's words: what to do when the gateway is not the one that was expected, or not there.
 */
function explainDial(
  error: unknown,
  gateway: GatewayAddress,
  remembered: NodeId | undefined,
): IsochroneError {
  const fault = asIsochroneError(error, 'peer_unreachable')
  const detail = { ...fault.detail, gateway: gateway.address }
  if (fault.code === 'identity_mismatch') {
    const message =
      gateway.id === undefined && remembered !== undefined
        ? `the gateway at ${gateway.address} has another key than when it was first met ` +
          `(${shortId(remembered)}…). If its operator changed the key, give the new id: ` +
          `--join NEW_ID@${gateway.address}. If not, somebody else answers there.`
        : `the gateway at ${gateway.address} is not ${gateway.id ?? 'the expected one'}: ` +
          fault.message
    return new IsochroneError('identity_mismatch', message, { detail, cause: error })
  }
  if (fault.code !== 'peer_unreachable') return fault
  const message = `${fault.message}; is the gateway running, and is the address right?`
  return new IsochroneError('peer_unreachable', message, { detail, cause: error })
}
