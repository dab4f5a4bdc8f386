/** Composes a gateway from its options and modules. */
import { systemTurn } from '../base/index.ts'
import { methods } from '../protocol/index.ts'
import { healthHandler, serveCalls } from '../transport/index.ts'
import { Admission } from './admission/admission.ts'
import { DecisionLog } from './dispatch/decision-log.ts'
import { Dispatch } from './dispatch/dispatch.ts'
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
import { Foresight } from './workers/foresight.ts'
import { Joining } from './workers/joining.ts'
import { LatencyWatch } from './workers/latency-watch.ts'
import { MeshWatch } from './workers/mesh-watch.ts'
import { WorkerRegistry } from './workers/registry.ts'
import { SignedCalls } from './workers/signed-calls.ts'
import { createUpstreamWorker } from './workers/upstream-worker.ts'

export async function createGateway(
  options: GatewayOptions,
  modules: GatewayModules,
): Promise<Gateway> {
  const limits: GatewayLimits = { ...gatewayLimits, ...options.limits }
  const registry = new WorkerRegistry(limits, modules)
  const admission = new Admission(
    {
      requireApiKey: options.requireApiKey ?? true,
      keyCommand: options.keyCommand,
      ...limits,
    },
    modules,
  )
  const gateway = modules.identity.id
  const watch = { self: gateway, cell: options.cell ?? '' }
  const latencies = new LatencyWatch(watch, { ...modules, registry })
  const foresight = new Foresight({ ...modules, registry, latencies })
  const metrics = new GatewayMetrics({
    requestsInFlight: () => admission.inFlight,
    workers: () => registry.counts(),
    latencies: gaugesOf(latencies),
    federation: federationGaugesOf(modules),
  })
  const decisionLog = new DecisionLog(modules.decisions)
  const common = { ...modules, registry, admission, metrics, decisionLog, latencies }
  const router = new Router(common)
  const dispatch = new Dispatch(limits, { ...common, router })
  const journey = new Journey({ ...common, router, dispatch })
  const routes: readonly Route[] = [
    ...inferenceRoutes(journey),
    ...informationRoutes({
      ...common,
      gateway,
      mesh: meshWatchOf(modules, registry),
      startedAtMs: modules.clock.now(),
      description: () => openApiDocument(routes, options.softwareVersion),
    }),
  ]
  const server = new HttpServer(routes, limits, common)
  const isReady = () => registry.offers().size > 0
  const { network } = options
  const calls = new SignedCalls({ network, ...limits }, { ...modules, turn: systemTurn })
  const joining = new Joining({ network, gateway, ...limits }, { ...common, calls, foresight })
  const callHandlers = {
    ...joining.handlers,
    ...modules.mesh?.handlers,
    [methods.health]: healthHandler(isReady),
  }
  return {
    listen() {
      for (const one of [latencies, foresight]) one.start()
      return server.listen(options.httpAddress)
    },
    callHandlers,
    onStream: serveCalls(callHandlers, modules),
    onConnection: (connection) => joining.expect(connection),
    addUpstream(upstream) {
      const worker = createUpstreamWorker(upstream)
      registry.put(worker)
      return worker.id
    },
    isReady,
    workerCount: () => registry.counts().connected,
    close() {
      for (const one of [latencies, foresight]) one.stop()
      return server.close()
    },
  }
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

function meshWatchOf(modules: GatewayModules, registry: WorkerRegistry): MeshWatch {
  const { identity, mesh } = modules
  // The view begins when the mesh does.
  const federation = { regions: (nowMs: number) => mesh?.federation?.regions(nowMs) ?? [] }
  return new MeshWatch({ ...modules, self: identity.id, registry, federation })
}
