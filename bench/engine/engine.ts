/**
 * Tokens per second of our engine beside the same weights run by ONNX Runtime directly, in turn.
 *
 * `decode` is the time in which all answers of the batch are being written; `whole` counts from the
 * start, so with reading the prompts, which our scheduler does in chunks so that running answers go
 * on. Overhead is how much more time per token ours takes.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '../../src/base/index.ts'
import { availableBackends, type OnnxBackend } from '../../src/engine/index.ts'
import { importModel, openModel, type StoredModel } from '../../src/models/index.ts'
import type { Bench, BenchOptions } from '../bench.ts'
import { describeMachine, describeVersions } from '../machine.ts'
import { progress, progressDone } from '../progress.ts'
import { type Check, check, type Report, renderTable } from '../report.ts'
import { median } from '../statistics.ts'
import { openBareLoop, type Timing, type Work } from './bare-loop.ts'
import { openOwnLoop } from './own-loop.ts'
import { syntheticSeed, writeSyntheticModel } from './synthetic-model.ts'

interface Plan {
  readonly batches: readonly number[]
  readonly models: readonly ModelPlan[]
  readonly quantisations: readonly ('float32' | 'int4')[]
  readonly roundsMax: number
  readonly newTokens: number
  /** A slow case gets fewer rounds, but at least one. */
  readonly caseBudgetMs: number
}

interface ModelPlan {
  readonly name: string
  readonly write: (folder: string) => string
  /** The reference model's context holds 512 tokens, the answer's among them. */
  readonly prompts: readonly number[]
}

/** More than the steps in which eight prompts are read, so that all eight are written together. */
const newTokens = 96
const contextTokensOfReference = 512
const promptSeed = 7
const reference: ModelPlan = {
  name: 'isochrone-tiny',
  write: () => join(import.meta.dirname, '..', '..', 'models', 'isochrone-tiny'),
  prompts: [128, contextTokensOfReference - newTokens],
}
const synthetic: ModelPlan = {
  name: 'synthetic-8x1024',
  write: (folder) => {
    writeSyntheticModel(folder)
    return folder
  },
  prompts: [128, 512],
}

const fullPlan: Plan = {
  batches: [1, 8],
  models: [reference, synthetic],
  quantisations: ['float32', 'int4'],
  roundsMax: 15,
  newTokens,
  caseBudgetMs: 30_000,
}
const quickPlan: Plan = {
  batches: [1, 8],
  models: [{ ...reference, prompts: [128] }],
  quantisations: ['float32'],
  roundsMax: 9,
  newTokens,
  caseBudgetMs: 5_000,
}

export const engineBench: Bench = {
  name: 'engine',
  summary: 'tokens/s of the engine per back end, beside ONNX Runtime alone',
  options: { backend: { type: 'string' }, model: { type: 'string' } },
  optionsHelp: [
    '--backend B   only this back end: cpu, wasm, webgpu or cuda',
    '--model M     only the model whose name contains M',
  ],
  run,
}

interface Case {
  readonly name: string
  readonly rounds: number
  readonly ownDecode: number
  readonly bareDecode: number
  readonly ownWhole: number
  readonly bareWhole: number
  /**
   * Medians over rounds of the time per token beside the bare loop's of that round, minus 1, in %.
   */
  readonly decodeOverhead: number
  readonly wholeOverhead: number
  /** Share of ids on which both loops agree: float rounding differs with how prompts are cut. */
  readonly agreement: number
}

async function run(options: BenchOptions, print: (line: string) => void): Promise<Report> {
  const plan = options['quick'] === true ? quickPlan : fullPlan
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-bench-'))
  try {
    progress('looking for back ends')
    const found = await availableBackends({ ...process.env })
    const backends = found.filter(({ backend, available }) => {
      return available && (options['backend'] ?? backend) === backend
    })
    const cases: Case[] = []
    for (const model of plan.models) {
      if (!model.name.includes(String(options['model'] ?? ''))) continue
      for (const quantisation of plan.quantisations) {
        const stored = await prepare(model, quantisation, folder)
        for (const { backend } of backends) {
          cases.push(...(await measureModel({ stored, model, backend, plan })))
        }
      }
    }
    progressDone()
    for (const line of renderCases(cases)) print(line)
    const missing = found.filter(({ available }) => !available)
    for (const { backend, detail } of missing) print(`left out: ${backend}: ${detail}`)
    return {
      bench: 'engine',
      checks: cases.flatMap(overheadChecks),
      context: {
        machine: describeMachine(),
        versions: describeVersions(['onnxruntime-node', 'onnxruntime-web']),
        seeds: [syntheticSeed, promptSeed],
        dataFiles: ['models/isochrone-tiny'],
        leftOut: missing,
        cases,
      },
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function prepare(
  model: ModelPlan,
  quantisation: 'float32' | 'int4',
  folder: string,
): Promise<StoredModel> {
  progress(`importing ${model.name} as ${quantisation}`)
  const storeDir = join(folder, 'store')
  const name = `${model.name}-${quantisation}`
  const source = model.write(join(folder, model.name))
  await importModel(source, { storeDir, name, quantisation })
  return openModel(storeDir, name)
}

interface ModelCase {
  readonly stored: StoredModel
  readonly model: ModelPlan
  readonly backend: OnnxBackend
  readonly plan: Plan
}

async function measureModel({ stored, model, backend, plan }: ModelCase): Promise<Case[]> {
  const slots = Math.max(...plan.batches)
  const contextTokensMax = Math.max(...model.prompts) + plan.newTokens
  const settings = { backend, slots, contextTokensMax }
  const cases: Case[] = []
  const own = await openOwnLoop(stored, settings)
  const bare = await openBareLoop(stored, settings)
  try {
    for (const promptTokens of model.prompts) {
      for (const batch of plan.batches) {
        const what = `${stored.manifest.name} ${backend} prompt ${promptTokens} batch ${batch}`
        progress(what)
        const prompts = makePrompts(batch, promptTokens, stored)
        const work = { prompts, newTokens: plan.newTokens }
        cases.push(await measureCase(what, { own, bare, work, plan }))
      }
    }
  } finally {
    await own.close()
    await bare.close()
  }
  return cases
}

function makePrompts(batch: number, tokens: number, stored: StoredModel): number[][] {
  const random = seededRandom(promptSeed)
  const { vocabularySize } = stored.manifest.architecture
  const id = () => random.below(vocabularySize)
  return Array.from({ length: batch }, () => Array.from({ length: tokens }, id))
}

interface Loops {
  readonly own: { run(work: Work): Promise<Timing> }
  readonly bare: { run(work: Work): Promise<Timing> }
  readonly work: Work
  readonly plan: Plan
}

/** The first hundreds of steps of both loops run in V8's interpreter. */
const warmUpMs = 1_500

async function warmUp({ own, bare, work }: Loops): Promise<void> {
  const start = performance.now()
  for (let newTokens = 4; performance.now() - start < warmUpMs; { newTokens } = work) {
    await own.run({ ...work, newTokens })
    await bare.run({ ...work, newTokens })
  }
}

async function measureCase(name: string, { own, bare, work, plan }: Loops): Promise<Case> {
  await warmUp({ own, bare, work, plan })
  const pairs: { own: Timing; bare: Timing }[] = []
  const start = performance.now()
  while (pairs.length < plan.roundsMax) {
    const isOwnFirst = pairs.length % 2 === 0
    const first = await (isOwnFirst ? own : bare).run(work)
    const second = await (isOwnFirst ? bare : own).run(work)
    pairs.push(isOwnFirst ? { own: first, bare: second } : { own: second, bare: first })
    if (performance.now() - start > plan.caseBudgetMs) break
  }
  const tokens = work.prompts.length * work.newTokens
  const decode = ({ decodeMs, decodeTokens }: Timing) => decodeMs / decodeTokens
  const whole = ({ wholeMs }: Timing) => wholeMs / tokens
  const perSecond = (side: 'own' | 'bare', of: (timing: Timing) => number) =>
    1000 / median(pairs.map((pair) => of(pair[side])))
  const overhead = (of: (timing: Timing) => number) =>
    100 * (median(pairs.map((pair) => of(pair.own) / of(pair.bare))) - 1)
  return {
    name,
    rounds: pairs.length,
    ownDecode: perSecond('own', decode),
    bareDecode: perSecond('bare', decode),
    ownWhole: perSecond('own', whole),
    bareWhole: perSecond('bare', whole),
    decodeOverhead: overhead(decode),
    wholeOverhead: overhead(whole),
    agreement: agreementOf(pairs.map((pair) => [pair.own.tokenIds, pair.bare.tokenIds])),
  }
}

type Ids = readonly (readonly number[])[]

function agreementOf(pairs: readonly (readonly [Ids, Ids])[]): number {
  let same = 0
  let all = 0
  for (const [own, bare] of pairs) {
    for (const [row, ids] of own.entries()) {
      for (const [index, id] of ids.entries()) {
        all += 1
        if (id === bare[row]?.[index]) same += 1
      }
    }
  }
  return same / all
}

function overheadChecks({ name, decodeOverhead, wholeOverhead }: Case): readonly Check[] {
  const limit = { unit: '%', reach: '<= 10' }
  return [
    check({ name: `${name}: decode overhead`, value: decodeOverhead, ...limit }),
    check({ name: `${name}: whole overhead`, value: wholeOverhead, ...limit }),
  ]
}

function renderCases(cases: readonly Case[]): readonly string[] {
  return renderTable(cases, [
    { title: 'tokens/s', align: 'left', cell: ({ name }) => name },
    { title: 'decode', cell: ({ ownDecode }) => ownDecode.toFixed(1) },
    { title: 'bare', cell: ({ bareDecode }) => bareDecode.toFixed(1) },
    { title: 'overhead', cell: ({ decodeOverhead }) => `${decodeOverhead.toFixed(1)} %` },
    { title: 'whole', cell: ({ ownWhole }) => ownWhole.toFixed(1) },
    { title: 'bare', cell: ({ bareWhole }) => bareWhole.toFixed(1) },
    { title: 'overhead', cell: ({ wholeOverhead }) => `${wholeOverhead.toFixed(1)} %` },
    { title: 'same ids', cell: ({ agreement }) => `${(100 * agreement).toFixed(0)} %` },
    { title: 'rounds', cell: ({ rounds }) => String(rounds) },
  ])
}
