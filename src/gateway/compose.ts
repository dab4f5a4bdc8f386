/** Composes a gateway from its options and modules. */
import { systemTurn } from '../base/index.ts'
import type { ObservationStore } from '../evidence/index.ts'
import { methods } from '../protocol/index.ts'
import type { RoutingPolicy } from '../routing/index.ts'
import { healthHandler, serveCalls } from '../transport/index.ts'
import { Admission } from './admission/admission.ts'
import { DecisionLog } from './dispatch/decision-log.ts'
import { Dispatch } from './dispatch/dispatch.ts'
import { Earnings, type EarningsModules } from './dispatch/earnings.ts'
import { Router } from './dispatch/router.ts'
import type { Gateway, GatewayModules, GatewayOptions } from './gateway.ts'
import { inferenceRoutes } from './http/inference-routes.ts'
import { informationRoutes } from './http/information-routes.ts'
import { openApiDocument } from './http/openapi-document.ts'
import type { Route } from './http/route-table.ts'
import { HttpServer } from './http/server.ts'
import { Journey } from './journey.ts'
import { type GatewayLimits, gatewayLimits } from './limits.ts'
import { GatewayMetrics } from './metrics.ts'
import { Examiner } from './workers/examiner.ts'
import { ExperienceExchange } from './workers/experience-exchange.ts'
import { Foresight } from './workers/foresight.ts'
import { Joining } from './workers/joining.ts'
import { LatencyWatch } from './workers/latency-watch.ts'
import { MeshWatch } from './workers/mesh-watch.ts'
import { PaceWatch } from './workers/pace-watch.ts'
import { WorkerRegistry } from './workers/registry.ts'
import { SelfWatch } from './workers/self-watch.ts'
import { SessionWatch } from './workers/session-watch.ts'
import { SignedCalls } from './workers/signed-calls.ts'
import { StandingKeeper } from './workers/standing-keeper.ts'
import { StandingNotices } from './workers/standing-notices.ts'
import { createUpstreamWorker } from './workers/upstream-worker.ts'

export async function createGateway(
  options: GatewayOptions,
  modules: GatewayModules,
): Promise<Gateway> {
  const limits: GatewayLimits = { ...gatewayLimits, ...options.limits }
  const registry = new WorkerRegistry(limits, modules)
  const { cell = '', keyCommand, network, requireApiKey = true } = options
  const admission = new Admission({ requireApiKey, keyCommand, ...limits }, modules)
  const gateway = modules.identity.id
  const latencies = new LatencyWatch({ self: gateway, cell }, { ...modules, registry })
  const foresight = new Foresight({ ...modules, registry, latencies })
  const standings = standingsOf(modules, { registry, network, policy: () => router.policy })
  const { examiner, faults, notices, pace, selfWatch, sessions, shared } = standings
  const metrics = new GatewayMetrics({
    requestsInFlight: () => admission.inFlight,
    ...workerGaugesOf(registry),
    latencies: gaugesOf(latencies),
    federation: federationGaugesOf(modules),
    standing: standings.gauges,
  })
  const decisionLog = new DecisionLog(modules.decisions)
  const common = { ...modules, ...standings, registry, admission, metrics, decisionLog, latencies }
  const router = new Router({ ...common, softwareVersion: options.softwareVersion })
  const dispatch = new Dispatch(limits, { ...common, router })
  const journey = new Journey({ ...common, router, dispatch })
  const routes: readonly Route[] = [
    ...inferenceRoutes(journey),
    ...informationRoutes({
      ...{ ...common, journey, router },
      gateway,
      keyCommand,
      mesh: meshWatchOf(options, modules, registry),
      startedAtMs: modules.clock.now(),
      description: () => openApiDocument(routes, options.softwareVersion),
    }),
  ]
  const server = new HttpServer(routes, limits, common)
  const isReady = () => registry.offers().size > 0
  const watches = [latencies, foresight, selfWatch, sessions, shared, pace, examiner]
  const calls = new SignedCalls({ network, ...limits }, { ...modules, turn: systemTurn })
  const joining = new Joining({ network, gateway, ...limits }, { ...common, calls, foresight })
  const callHandlers = {
    ...joining.handlers,
    ...modules.mesh?.handlers,
    [methods.health]: healthHandler(isReady),
  }
  return {
    listen() {
      for (const one of watches) one.start()
      return server.listen(options.httpAddress)
    },
    callHandlers,
    onStream: serveCalls(callHandlers, modules),
    onConnection: (connection) => joining.expect(connection),
    ...standings.ears,
    addUpstream(upstream) {
      const worker = createUpstreamWorker(upstream)
      registry.put(worker)
      sessions.began(worker.id)
      return worker.id
    },
    ...policyEarsOf(router, metrics),
    isReady,
    workerCount: () => registry.counts().connected,
    close() {
      for (const one of [...watches, faults, notices]) one.stop()
      return server.close()
    },
  }
}

function policyEarsOf(
  router: Router,
  metrics: GatewayMetrics,
): Pick<Gateway, 'refusedPolicy' | 'usePolicy'> {
  return {
    usePolicy(policy) {
      router.usePolicy(policy)
      metrics.policy('followed')
    },
    refusedPolicy: () => metrics.policy('refused'),
  }
}

/** Who stands how, who is there, and whether this gateway may judge. */
function standingsOf(
  modules: GatewayModules,
  own: {
    readonly registry: WorkerRegistry
    readonly network: string
    readonly policy: () => RoutingPolicy
  },
) {
  const { registry, policy } = own
  const teller = modules.notices ?? modules.mesh?.notices
  const selfWatch = new SelfWatch(modules.clock)
  const faults = new StandingKeeper({
    ...modules,
    registry,
    selfWatch,
    onStep: (incident) => {
      notices.stepped(incident)
      examiner.stepped(incident)
    },
    onJoined: (worker) => notices.joined(worker),
  })
  const { book } = faults
  const condemn: StandingKeeper['conduct'] = (...found) => faults.conduct(...found)
  const notices = new StandingNotices({ ...modules, ...own, book, condemn, notices: teller })
  const examiner = new Examiner({ ...modules, registry, book, condemn })
  const shared = new ExperienceExchange({ ...modules, ...own, notices: teller })
  faults.start()
  notices.start()
  const sessions = new SessionWatch({
    ...modules,
    selfWatch,
    onLostTogether: (workers, population) => faults.lostTogether(workers, population),
  })
  const pace = new PaceWatch({ ...modules, policy, registry, faults })
  const observations: Pick<ObservationStore, 'append'> = {
    append(observation) {
      modules.observations.append(observation)
      faults.seen(observation)
      examiner.seen(observation)
      pace.seen(observation)
    },
  }
  const ears: Pick<Gateway, 'onExperience' | 'onNotice' | 'onPeerFault'> = {
    onPeerFault: (...found) => faults.gossip(...found),
    onNotice: (...told) => notices.hear(...told),
    onExperience: (...told) => shared.hear(...told),
  }
  const earnings = earningsOf(modules, { ...own, book })
  const gauges = {
    earnings: () => earnings,
    incidents: () => faults.counts(),
    faults: () => faults.faults(),
    notices: () => notices.counts(),
    rechecks: () => notices.rechecks.counts(),
    examinations: () => examiner.counts(),
    experiences: () => shared.counts(),
  }
  return {
    ...{ bills: policy, earnings, examiner, faults, notices, observations, pace },
    selfWatch,
    sessions,
    shared,
    gauges,
    ears,
  }
}

function earningsOf(
  { clock, ledger }: GatewayModules,
  own: Pick<EarningsModules, 'book' | 'policy' | 'registry'>,
): Earnings | undefined {
  return ledger === undefined ? undefined : new Earnings({ ...own, clock, ledger })
}

function workerGaugesOf(registry: WorkerRegistry) {
  return { workers: () => registry.counts(), breakers: () => registry.breakers }
}

function gaugesOf(latencies: LatencyWatch) {
  return {
    pairs: () => latencies.map?.size ?? 0,
    impossible: () => latencies.map?.impossible ?? 0,
    locations: () => latencies.counts(),
  }
}

function federationGaugesOf({ clock, mesh }: GatewayModules) {
  return {
    states: () => mesh?.federation?.states(clock.monotonic()),
    lies: () => mesh?.federation?.lies,
  }
}

function meshWatchOf(
  { region = '' }: GatewayOptions,
  modules: GatewayModules,
  registry: WorkerRegistry,
): MeshWatch {
  const { identity, mesh } = modules
  // The view begins when the mesh does.
  const federation = { regions: (nowMs: number) => mesh?.federation?.regions(nowMs) ?? [] }
  const self = { id: identity.id, region }
  return new MeshWatch({ ...modules, self, registry, federation })
}
