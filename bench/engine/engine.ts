/**
 * Tokens per second of our engine beside the same weights run by ONNX Runtime directly, in turn.
 *
 * `decode` is a step in which all answers of the batch are being written, the mean of all but the
 * slowest tenth; `whole` counts from the start, so with reading the prompts, which our scheduler
 * does in chunks so that running answers go on. Overhead is how much more time per token is ours.
 * Where the first answers end before the last begin, `decode` comes from a run of its own that
 * reads all prompts first.
 *
 * `processor` is the overhead in processor time of the whole, which others on the machine disturb
 * less: where it and `whole` are far apart, the machine was busy.
 *
 * Each prompt of a batch is a token shorter than the one before, for both loops: ONNX Runtime has a
 * way of its own for a batch whose rows are all equally long, on processors up to a third faster.
 * Answers that begin when they are asked for are hardly ever equally long.
 *
 * Where the memory of the two caches happens to lie decides by up to a third how fast they are
 * read, for as long as a process has them. So both are opened anew several times, in turn first.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '../../src/base/index.ts'
import { loadLocalEngine, type OnnxBackend } from '../../src/engine/index.ts'
import { importModel, openModel, type StoredModel } from '../../src/models/index.ts'
import type { Bench, BenchOptions } from '../bench.ts'
import { describeMachine, describeVersions } from '../machine.ts'
import { progress, progressDone } from '../progress.ts'
import { type Check, check, type Report, renderTable } from '../report.ts'
import { meanWithoutSlowest, median } from '../statistics.ts'
import { type BareLoop, openBareLoop, type Timing, type Work } from './bare-loop.ts'
import { type OwnLoop, openOwnLoop } from './own-loop.ts'
import { syntheticSeed, writeSyntheticModel } from './synthetic-model.ts'

type Quantisation = 'float32' | 'int4'

interface Plan {
  readonly batches: readonly number[]
  readonly models: readonly ModelPlan[]
  readonly quantisations: readonly Quantisation[]
  readonly roundsMax: number
  /** Of a slow case, however long they take: the median of one round is that round's luck. */
  readonly roundsMin: number
  readonly newTokens: number
  /** A slow case gets as many rounds as fit. */
  readonly caseBudgetMs: number
  /** How often both loops are opened anew, where the rounds of one time leave room for it. */
  readonly placementsMax: number
  /** Part of the names of the cases to measure. */
  readonly only: string
}

interface ModelPlan {
  readonly name: string
  readonly write: (folder: string) => string
  /** The reference model's context holds 512 tokens, the answer's among them. */
  readonly prompts: readonly number[]
}

/** On most back ends more than the steps in which eight prompts are read. */
const newTokens = 96
/** Steps in which all answers are written; fewer would be a measure of noise. */
const fullStepsMin = 16
/** Of steps, on both sides: what else runs on the machine holds some up. */
const heldUpShare = 0.1
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
  roundsMin: 3,
  newTokens,
  caseBudgetMs: 16_000,
  placementsMax: 5,
  only: '',
}
const quickPlan: Plan = {
  batches: [1, 8],
  models: [{ ...reference, prompts: [128] }],
  quantisations: ['float32'],
  roundsMax: 9,
  roundsMin: 1,
  newTokens,
  caseBudgetMs: 5_000,
  placementsMax: 3,
  only: '',
}

export const engineBench: Bench = {
  name: 'engine',
  summary: 'tokens/s of the engine per back end, beside ONNX Runtime alone',
  options: {
    backend: { type: 'string' },
    model: { type: 'string' },
    case: { type: 'string' },
    rounds: { type: 'string' },
  },
  optionsHelp: [
    '--backend B   only this back end: cpu, wasm, webgpu or cuda',
    '--model M     only the model whose name contains M',
    '--case C      only cases whose name contains C, for example “int4 wasm prompt 128 batch 8”',
    '--rounds N    N rounds of each case, however long they take',
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
  readonly processorOverhead: number
  /** Share of ids on which both loops agree: float rounding differs with how prompts are cut. */
  readonly agreement: number
}

async function run(options: BenchOptions, print: (line: string) => void): Promise<Report> {
  const plan = planOf(options)
  const folder = mkdtempSync(join(tmpdir(), 'isochrone-bench-'))
  try {
    progress('looking for back ends')
    const { availableBackends } = await loadLocalEngine()
    const found = await availableBackends({ ...process.env })
    const backends = found.filter(({ backend, available }) => {
      return available && (options['backend'] ?? backend) === backend
    })
    const cases: Case[] = []
    for (const model of plan.models) {
      if (!model.name.includes(String(options['model'] ?? ''))) continue
      for (const quantisation of plan.quantisations) {
        const wanted = backends.filter(({ backend }) => {
          return casesOf({ model, quantisation, backend, plan }).length > 0
        })
        if (wanted.length === 0) continue
        const stored = await prepare(model, quantisation, folder)
        for (const { backend } of wanted) {
          cases.push(...(await measureModel({ stored, model, quantisation, backend, plan })))
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

function planOf(options: BenchOptions): Plan {
  const plan = options['quick'] === true ? quickPlan : fullPlan
  const only = String(options['case'] ?? '')
  if (options['rounds'] === undefined) return { ...plan, only }
  const rounds = Number(options['rounds'])
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds ${options['rounds']}: give a whole number from 1.`)
  }
  return { ...plan, only, roundsMax: rounds, caseBudgetMs: Number.POSITIVE_INFINITY }
}

async function prepare(
  model: ModelPlan,
  quantisation: Quantisation,
  folder: string,
): Promise<StoredModel> {
  progress(`importing ${model.name} as ${quantisation}`)
  const storeDir = join(folder, 'store')
  const name = nameOf(model, quantisation)
  const source = model.write(join(folder, model.name))
  await importModel(source, { storeDir, name, quantisation })
  return openModel(storeDir, name)
}

function nameOf(model: ModelPlan, quantisation: Quantisation): string {
  return `${model.name}-${quantisation}`
}

interface ModelCases {
  readonly model: ModelPlan
  readonly quantisation: Quantisation
  readonly backend: OnnxBackend
  readonly plan: Plan
}

interface NamedCase {
  readonly name: string
  readonly promptTokens: number
  readonly batch: number
}

function casesOf({ model, quantisation, backend, plan }: ModelCases): readonly NamedCase[] {
  const cases = model.prompts.flatMap((promptTokens) =>
    plan.batches.map((batch) => {
      const shape = `prompt ${promptTokens} batch ${batch}`
      return { name: `${nameOf(model, quantisation)} ${backend} ${shape}`, promptTokens, batch }
    }),
  )
  return cases.filter(({ name }) => name.includes(plan.only))
}

async function measureModel(
  what: ModelCases & { readonly stored: StoredModel },
): Promise<readonly Case[]> {
  const { stored, plan } = what
  const cases: Case[] = []
  for (const { name, promptTokens, batch } of casesOf(what)) {
    progress(name)
    const prompts = makePrompts(batch, promptTokens, stored)
    cases.push(await measureCase(name, what, { prompts, newTokens: plan.newTokens }))
  }
  return cases
}

function makePrompts(batch: number, tokens: number, stored: StoredModel): number[][] {
  const random = seededRandom(promptSeed)
  const { vocabularySize } = stored.manifest.architecture
  const id = () => random.below(vocabularySize)
  return Array.from({ length: batch }, (_, row) => Array.from({ length: tokens - row }, id))
}

interface Loops {
  readonly own: OwnLoop
  readonly bare: BareLoop
  readonly work: Work
}

/** The first hundreds of steps of both loops run in V8's interpreter. */
const warmUpMs = 1_500

/** Prompts while warming up: enough for every kind of run, and cheap on slow back ends. */
const warmUpPromptTokens = 64

async function warmUp({ own, bare, work }: Loops): Promise<void> {
  const start = performance.now()
  const prompts = work.prompts.map((prompt) => prompt.slice(0, warmUpPromptTokens))
  for (let newTokens = 4; performance.now() - start < warmUpMs; { newTokens } = work) {
    await own.run({ prompts, newTokens })
    await bare.run({ prompts, newTokens })
  }
}

interface Pair {
  readonly own: Timing
  readonly bare: Timing
  /** Ours again where it had too few full steps, or the same. */
  readonly ownDecode: Timing
}

async function measurePair({ own, bare, work }: Loops, isOwnFirst: boolean): Promise<Pair> {
  const before = isOwnFirst ? null : await bare.run(work)
  const ours = await own.run(work)
  const theirs = before ?? (await bare.run(work))
  const isEnough = ours.decodeTokens >= fullStepsMin * work.prompts.length
  const ownDecode = isEnough ? ours : await own.runPromptsFirst(work)
  return { own: ours, bare: theirs, ownDecode }
}

async function measureCase(
  name: string,
  what: ModelCases & { readonly stored: StoredModel },
  work: Work,
): Promise<Case> {
  const { caseBudgetMs, placementsMax, roundsMax, roundsMin } = what.plan
  const pairs: Pair[] = []
  let spentMs = 0
  for (let placement = 0; placement < placementsMax; placement += 1) {
    const most = Math.ceil((roundsMax * (placement + 1)) / placementsMax) - pairs.length
    const loops = await openLoops(what, placement % 2 === 0)
    try {
      await warmUp({ ...loops, work })
      const start = performance.now()
      const untilMs = (caseBudgetMs * (placement + 1)) / placementsMax
      for (let round = 0; round < most; round += 1) {
        pairs.push(await measurePair({ ...loops, work }, pairs.length % 2 === 0))
        const tookMs = spentMs + performance.now() - start
        const isLate = tookMs + tookMs / pairs.length > untilMs
        if (isLate && pairs.length >= roundsMin) break
      }
      spentMs += performance.now() - start
    } finally {
      await loops.own.close()
      await loops.bare.close()
    }
    if (spentMs + spentMs / pairs.length > caseBudgetMs) break
  }
  return summarise(name, pairs, work)
}

async function openLoops(
  { stored, model, backend, plan }: ModelCases & { readonly stored: StoredModel },
  isOwnFirst: boolean,
): Promise<Pick<Loops, 'own' | 'bare'>> {
  const slots = Math.max(...plan.batches)
  const contextTokensMax = Math.max(...model.prompts) + plan.newTokens
  const settings = { backend, slots, contextTokensMax }
  const before = isOwnFirst ? undefined : await openBareLoop(stored, settings)
  const own = await openOwnLoop(stored, settings)
  return { own, bare: before ?? (await openBareLoop(stored, settings)) }
}

function summarise(name: string, pairs: readonly Pair[], work: Work): Case {
  const tokens = work.prompts.length * work.newTokens
  const decode = ({ stepsMs }: Timing) =>
    meanWithoutSlowest(stepsMs, heldUpShare) / work.prompts.length
  const whole = ({ wholeMs }: Timing) => wholeMs / tokens
  const processor = ({ processorMs }: Timing) => processorMs
  const perSecond = (side: keyof Pair, of: (timing: Timing) => number) =>
    1000 / median(pairs.map((pair) => of(pair[side])))
  const overhead = (side: keyof Pair, of: (timing: Timing) => number) =>
    100 * (median(pairs.map((pair) => of(pair[side]) / of(pair.bare))) - 1)
  return {
    name,
    rounds: pairs.length,
    ownDecode: perSecond('ownDecode', decode),
    bareDecode: perSecond('bare', decode),
    ownWhole: perSecond('own', whole),
    bareWhole: perSecond('bare', whole),
    decodeOverhead: overhead('ownDecode', decode),
    wholeOverhead: overhead('own', whole),
    processorOverhead: overhead('own', processor),
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
    { title: 'processor', cell: ({ processorOverhead }) => `${processorOverhead.toFixed(1)} %` },
    { title: 'same ids', cell: ({ agreement }) => `${(100 * agreement).toFixed(0)} %` },
    { title: 'rounds', cell: ({ rounds }) => String(rounds) },
  ])
}
