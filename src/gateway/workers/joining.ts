/**
 * What nodes call: join with a token and a signed record, then report their load.
 *
 * A node is who its connection proves it to be; a record counts only if it speaks of that very key,
 * for this network, and is not older than one seen before.
 */
import type { Clock, Log } from '../../base/index.ts'
import type { BillRules } from '../../evidence/index.ts'
import type { MeshAgent } from '../../mesh/index.ts'
import {
  asIsochroneError,
  decodeJoin,
  decodeReport,
  encodeJoinReply,
  encodeReportAck,
  IsochroneError,
  methods,
  type NodeId,
  type NodeRecord,
  type SignedNodeRecord,
  shortId,
  verifyNodeRecord,
} from '../../protocol/index.ts'
import type { CallHandler, CloseReason, Connection, IncomingCall } from '../../transport/index.ts'
import type { JoinTokens } from '../admission/credentials.ts'
import { TokenBucket } from '../admission/token-bucket.ts'
import type { GatewayMetrics } from '../metrics.ts'
import type { Foresight } from './foresight.ts'
import type { LatencyWatch } from './latency-watch.ts'
import type { WorkerRegistry } from './registry.ts'
import { RemoteWorker } from './remote-worker.ts'
import type { SessionWatch } from './session-watch.ts'
import type { SignedCalls } from './signed-calls.ts'
import type { StandingKeeper } from './standing-keeper.ts'

export interface JoiningOptions {
  readonly network: string
  readonly gateway: NodeId
  readonly heartbeatMs: number
  readonly joinWaitMs: number
  readonly joinsPerMinuteMax: number
  readonly recordsPerMinuteMax: number
}

export interface JoiningModules {
  readonly clock: Clock
  readonly log: Log
  readonly registry: WorkerRegistry
  readonly calls: SignedCalls
  readonly joinTokens: JoinTokens
  readonly metrics: GatewayMetrics
  /** By which nodes' bills are judged. */
  readonly bills: () => BillRules
  /** Learns from what nodes measured of each other. */
  readonly latencies?: Pick<LatencyWatch, 'hear'>
  /** Learns how busy nodes are. */
  readonly foresight?: Pick<Foresight, 'joined' | 'reported'>
  /** Hears what breaks the rules. */
  readonly faults?: Pick<StandingKeeper, 'answer' | 'conduct' | 'joined'>
  /** Learns who is there, and who goes. */
  readonly sessions?: Pick<SessionWatch, 'began' | 'ended'>
  /** A peer of the mesh may stay without joining. */
  readonly mesh?: Pick<MeshAgent, 'isKnown'>
}

/** One connection: what it may still ask for, and who joined over it. */
interface Guest {
  readonly joins: TokenBucket
  readonly records: TokenBucket
  worker: RemoteWorker | undefined
}

/** Nodes whose latest sequence is remembered, so that an old record cannot be shown again. */
const sequencesMax = 10_000

export class Joining {
  readonly handlers: Readonly<Record<string, CallHandler>>
  readonly #options: JoiningOptions
  readonly #modules: JoiningModules
  readonly #workers = new Map<NodeId, RemoteWorker>()
  readonly #guests = new WeakMap<Connection, Guest>()
  readonly #sequences = new Map<NodeId, number>()

  constructor(options: JoiningOptions, modules: JoiningModules) {
    this.#options = options
    this.#modules = modules
    this.handlers = {
      [methods.join]: (call) => this.#join(call),
      [methods.report]: (call) => this.#report(call),
    }
  }

  /** Shows a peer out that connected and does not join. */
  expect(connection: Connection): void {
    const timer = this.#modules.clock.after(this.#options.joinWaitMs, () => {
      const { peer } = connection
      if (this.#workers.get(peer)?.connection === connection) return
      if (this.#modules.mesh?.isKnown(peer) === true) return
      connection.close().catch(() => {})
    })
    void connection.closed.then(() => timer.cancel())
  }

  async #join(call: IncomingCall): Promise<void> {
    const { log, metrics } = this.#modules
    try {
      this.#spend(this.#guest(call.connection).joins, 'joins')
      const record = this.#admitted(call, await call.request())
      const { network, gateway, heartbeatMs } = this.#options
      this.#enter(call, record)
      metrics.join('accepted')
      log.info('node joined', { node: shortId(record.id), region: record.region })
      await call.send(encodeJoinReply({ network, gateway, heartbeatMs }))
    } catch (error) {
      const failure = asIsochroneError(error)
      metrics.join(failure.code)
      this.#judge(call.peer, failure)
      log.warn('node refused', { node: shortId(call.peer), code: failure.code })
      throw failure
    }
  }

  #admitted(call: IncomingCall, message: Uint8Array): NodeRecord {
    const { token, record } = decodeJoin(message)
    if (!this.#modules.joinTokens.accepts(token)) {
      throw refused('the join token is not valid here; ask the operator of the gateway for one')
    }
    return this.#verified(record, call.peer)
  }

  #verified(signed: SignedNodeRecord, peer: NodeId): NodeRecord {
    const record = verifyNodeRecord(signed.bytes, signed.signature, this.#modules.clock.now())
    if (record.id !== peer) {
      const text = `the record is of ${shortId(record.id)}, but the connection of ${shortId(peer)}`
      throw new IsochroneError('identity_mismatch', text)
    }
    if (record.network !== this.#options.network) {
      throw refused(`this gateway belongs to the network "${this.#options.network}"`)
    }
    const latest = this.#sequences.get(peer)
    if (latest !== undefined && record.sequence < latest) {
      throw refused(`the record ${record.sequence} is older than ${latest}, which is known here`)
    }
    return record
  }

  /** Takes the node in; an earlier connection of the same node gives way. */
  #enter({ connection }: IncomingCall, record: NodeRecord): void {
    const guest = this.#guest(connection)
    const before = this.#workers.get(record.id)
    if (before !== undefined && before === guest.worker) {
      before.renew(record)
      this.#remember(record)
      return
    }
    const worker = new RemoteWorker(connection, record, this.#modules)
    this.#modules.registry.put(worker)
    this.#modules.faults?.joined(worker.id)
    this.#modules.foresight?.joined(worker)
    this.#workers.set(record.id, worker)
    this.#remember(record)
    if (before !== undefined) {
      before.disconnected()
      before.connection.close().catch(() => {})
      // What ran over the connection before is gone.
      this.#noteEnd(before, 'lost')
    }
    this.#modules.sessions?.began(record.id)
    guest.worker = worker
    void connection.closed.then((reason) => this.#leave(worker, reason))
  }

  #leave(worker: RemoteWorker, reason: CloseReason): void {
    worker.disconnected()
    this.#modules.registry.markGone(worker)
    if (this.#workers.get(worker.id) !== worker) return
    this.#workers.delete(worker.id)
    this.#modules.log.info('node left', { node: shortId(worker.id), reason: reason.kind })
    if (reason.kind === 'protocol-error') {
      this.#modules.faults?.conduct(worker.id, 'connection-broken', { found: reason.detail })
    }
    const isBroken = reason.kind === 'lost' || reason.kind === 'protocol-error'
    this.#noteEnd(worker, isBroken ? 'lost' : reason.kind)
  }

  /** Who says that it goes, or goes in order with nothing under way, costs nobody an answer. */
  #noteEnd(worker: RemoteWorker, how: 'lost' | 'remote' | 'local'): void {
    const isBusy = (this.#modules.registry.find(worker.id)?.inFlight ?? 0) > 0
    const isAnnounced = worker.describe().load.draining
    const isOrderly = how === 'local' || isAnnounced || (how === 'remote' && !isBusy)
    this.#modules.sessions?.ended(worker.id, isOrderly ? 'left' : 'lost')
  }

  /** A token that is wrong, or a record of another network, are mistakes; these are not. */
  #judge(peer: NodeId, { code, message }: IsochroneError): void {
    const { faults } = this.#modules
    if (code === 'identity_mismatch') faults?.conduct(peer, 'record-identity', { found: message })
    if (code === 'invalid_signature') faults?.conduct(peer, 'record-signature', { found: message })
  }

  #guest(connection: Connection): Guest {
    const known = this.#guests.get(connection)
    if (known !== undefined) return known
    const { joinsPerMinuteMax, recordsPerMinuteMax } = this.#options
    const now = this.#modules.clock.monotonic()
    const guest: Guest = {
      joins: new TokenBucket(joinsPerMinuteMax, now),
      records: new TokenBucket(recordsPerMinuteMax, now),
      worker: undefined,
    }
    this.#guests.set(connection, guest)
    return guest
  }

  /** Before anything is verified: that is what a flood would cost. */
  #spend(bucket: TokenBucket, what: string): void {
    const now = this.#modules.clock.monotonic()
    const waitMs = bucket.waitMs(1, now)
    if (waitMs > 0) {
      const most = `this gateway takes ${bucket.limit} ${what} a minute over one connection`
      const message = `${most}; try again in ${Math.ceil(waitMs / 1000)} s`
      throw new IsochroneError('rate_limited', message, { detail: { retryAfterMs: waitMs } })
    }
    bucket.take(1, now)
  }

  async #report(call: IncomingCall): Promise<void> {
    const worker = this.#workers.get(call.peer)
    if (worker === undefined || worker.connection !== call.connection) {
      throw refused('join before reporting')
    }
    const { load, record, links } = decodeReport(await call.request())
    if (record !== null) {
      this.#spend(this.#guest(call.connection).records, 'new records')
      const verified = this.#verified(record, call.peer)
      worker.renew(verified)
      this.#remember(verified)
    }
    worker.report(load)
    this.#modules.registry.changed(worker.id)
    if (links.length > 0) this.#modules.latencies?.hear(worker.id, links)
    this.#modules.foresight?.reported(worker, load)
    await call.send(encodeReportAck())
  }

  #remember({ id, sequence }: NodeRecord): void {
    this.#sequences.delete(id)
    this.#sequences.set(id, sequence)
    const oldest = this.#sequences.keys().next().value
    if (this.#sequences.size > sequencesMax && oldest !== undefined) this.#sequences.delete(oldest)
  }
}

function refused(why: string): IsochroneError {
  return new IsochroneError('join_refused', `The node is not admitted: ${why}.`)
}
