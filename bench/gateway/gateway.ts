/**
 * What the gateway costs: one interleaved run of several ways to the same mock OpenAI server.
 *
 * Latency: one connection, request by request in turn over all ways. Throughput: round after round,
 * every way for a moment, beginning with another one each time; the median over rounds counts.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Bench, BenchOptions } from '../bench.ts'
import { describeMachine, describeVersions } from '../machine.ts'
import { progress, progressDone } from '../progress.ts'
import { type Report, renderTable } from '../report.ts'
import { median, quantile, rotated } from '../statistics.ts'
import { type Figures, gatewayChecks } from './gateway-checks.ts'
import { type Load, type RequestKind, startLoad } from './load.ts'
import { startGatewayAlone, startGatewayAndNode } from './own.ts'
import { peerVersions, startCaddy, startHaproxy, startNginx, startPortkey } from './peers.ts'
import { residentMegabytes, type Service, startService, waitUntil } from './service.ts'
import type { StartContext, Started, Target } from './target.ts'
import { findFault } from './verify.ts'

interface Plan {
  readonly rounds: number
  readonly turnsPerRound: number
  readonly windowMs: number
  readonly warmUpMs: number
}

/** Long enough for a median to settle on a busy machine: about five minutes. */
const fullPlan: Plan = { rounds: 7, turnsPerRound: 300, windowMs: 2_000, warmUpMs: 2_000 }
const quickPlan: Plan = { rounds: 1, turnsPerRound: 40, windowMs: 400, warmUpMs: 200 }

/** Of the order in which the ways are asked; one more each round. */
const firstSeed = 1

const intensities: readonly { kind: RequestKind; connections: number }[] = [
  { kind: 'answer', connections: 32 },
  { kind: 'stream', connections: 16 },
  { kind: 'stream', connections: 32 },
]

export const gatewayBench: Bench = {
  name: 'gateway',
  summary: 'latency, requests/s and memory of the gateway, beside other proxies and Portkey',
  options: { only: { type: 'string' }, rounds: { type: 'string' } },
  optionsHelp: [
    '--only A,B   only the ways whose names contain one of these words',
    '--rounds N   instead of 7',
  ],
  run,
}

async function run(options: BenchOptions, print: (line: string) => void): Promise<Report> {
  const plan = planOf(options)
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-bench-'))
  const services: Service[] = []
  const load = startLoad()
  try {
    const mock = startService({
      command: process.execPath,
      args: [join(import.meta.dirname, 'mock-openai.ts')],
    })
    services.push(mock)
    await waitUntil(mock, 'the mock server', async () => mock.tail().includes('\n'))
    const context = { mockPort: Number(mock.tail().split('\n')[0]), folder }
    const { targets, skipped } = await startTargets(context, words(options['only']), services)
    const figures = await measure(targets, load, plan)
    for (const line of renderFigures(figures)) print(line)
    for (const note of skipped) print(`left out: ${note}`)
    return {
      bench: 'gateway',
      checks: gatewayChecks(figures),
      context: {
        machine: describeMachine(),
        versions: { ...describeVersions([]), ...peerVersions() },
        seeds: Array.from({ length: plan.rounds }, (_, round) => firstSeed + round),
        dataFiles: [],
        plan,
        skipped,
        figures,
      },
    }
  } finally {
    load.close()
    await Promise.all(services.map((service) => service.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
}

function planOf(options: BenchOptions): Plan {
  const plan = options['quick'] === true ? quickPlan : fullPlan
  const rounds = options['rounds'] === undefined ? plan.rounds : Number(options['rounds'])
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error('--rounds is 1 or more')
  return { ...plan, rounds }
}

function words(only: unknown): readonly string[] {
  return typeof only === 'string' ? only.split(',') : []
}

interface StartedTargets {
  readonly targets: readonly Target[]
  readonly skipped: readonly string[]
}

/** Starts every way and checks its answers once; a peer that fails is left out with a note. */
async function startTargets(
  context: StartContext,
  only: readonly string[],
  services: Service[],
): Promise<StartedTargets> {
  const starters: readonly [string, (context: StartContext) => Promise<Started>][] = [
    ['isochrone: gateway', startGatewayAlone],
    ['isochrone: gateway + node', startGatewayAndNode],
    ['nginx', startNginx],
    ['haproxy', startHaproxy],
    ['caddy', startCaddy],
    ['portkey', startPortkey],
  ]
  const direct = { port: context.mockPort, headers: {}, model: 'mock-model', services: [] }
  const targets: Target[] = [{ name: 'direct', ...direct }]
  const skipped: string[] = []
  for (const [name, start] of starters) {
    if (only.length > 0 && !only.some((word) => name.includes(word))) continue
    progress(`starting ${name}`)
    const started = await start(context).catch((error) => ({
      skipped: `${name}: ${messageOf(error)}`,
    }))
    if ('skipped' in started) {
      skipped.push(started.skipped)
      continue
    }
    services.push(...started.target.services)
    const fault = await checkAnswers(started.target)
    if (fault === undefined) targets.push(started.target)
    else skipped.push(`${name}: ${fault}`)
  }
  return { targets, skipped }
}

async function checkAnswers(target: Target): Promise<string | undefined> {
  const [service] = target.services
  let fault: string | undefined
  try {
    if (service !== undefined) {
      await waitUntil(service, target.name, async () => (await findFault(target)) === undefined)
    }
    fault = await findFault(target)
  } catch (error) {
    fault = messageOf(error)
  }
  return fault
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n')[0] ?? text
}

async function measure(targets: readonly Target[], load: Load, plan: Plan): Promise<Figures[]> {
  const samples = targets.map(newSample)
  for (const { target } of samples) {
    progress(`warming up ${target.name}`)
    for (const { kind } of intensities.slice(0, 2)) {
      await load.throughput(target, kind, { connections: 16, durationMs: plan.warmUpMs })
    }
  }
  for (let round = 0; round < plan.rounds; round += 1) {
    progress(`round ${round + 1} of ${plan.rounds}: latency`)
    const order = { turns: plan.turnsPerRound, seed: firstSeed + round }
    const latency = await load.latency(targets, order)
    for (const [index, { latencyMs }] of samples.entries()) {
      latencyMs.push(...(latency.samplesMs[index] ?? []))
    }
    for (const { kind, connections } of intensities) {
      progress(`round ${round + 1} of ${plan.rounds}: ${kind}s on ${connections} connections`)
      for (const sample of rotated(samples, round)) {
        const { target, rates } = sample
        const durationMs = plan.windowMs
        const result = await load.throughput(target, kind, { connections, durationMs })
        sample.failed += result.failed
        sample.firstFailure ||= result.firstFailure
        const name = `${kind}${connections}`
        rates[name] = [...(rates[name] ?? []), result.perSecond]
      }
    }
  }
  progressDone()
  return samples.map(figuresOf)
}

interface Sample {
  readonly target: Target
  readonly latencyMs: number[]
  readonly rates: Record<string, readonly number[]>
  failed: number
  firstFailure: string
}

function newSample(target: Target): Sample {
  return { target, latencyMs: [], rates: {}, failed: 0, firstFailure: '' }
}

function figuresOf({ target, latencyMs, rates, failed, firstFailure }: Sample): Figures {
  const [service] = target.services
  return {
    name: target.name,
    latencyMs: median(latencyMs),
    latencyP99Ms: quantile(latencyMs, 0.99),
    answersPerSecond: median(rates['answer32'] ?? []),
    streamsPerSecondAt16: median(rates['stream16'] ?? []),
    streamsPerSecondAt32: median(rates['stream32'] ?? []),
    residentMb: service === undefined ? null : residentMegabytes(service.pid),
    failed,
    firstFailure,
  }
}

function renderFigures(figures: readonly Figures[]): readonly string[] {
  const direct = figures.find(({ name }) => name === 'direct')
  return renderTable(figures, [
    { title: 'way', align: 'left', cell: ({ name }) => name },
    { title: 'p50 ms', cell: ({ latencyMs }) => latencyMs.toFixed(3) },
    { title: 'p99 ms', cell: ({ latencyP99Ms }) => latencyP99Ms.toFixed(2) },
    {
      title: 'added ms',
      cell: ({ latencyMs }) => (latencyMs - (direct?.latencyMs ?? Number.NaN)).toFixed(3),
    },
    { title: 'requests/s, 32', cell: ({ answersPerSecond }) => answersPerSecond.toFixed(0) },
    { title: 'streams/s, 16', cell: ({ streamsPerSecondAt16 }) => streamsPerSecondAt16.toFixed(0) },
    { title: 'streams/s, 32', cell: ({ streamsPerSecondAt32 }) => streamsPerSecondAt32.toFixed(0) },
    { title: 'failed', cell: ({ failed }) => String(failed) },
    { title: 'memory MB', cell: ({ residentMb }) => residentMb?.toFixed(0) ?? '–' },
  ])
}
