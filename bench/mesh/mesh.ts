/**
 * The mesh's figures on a simulated network: coordinates, membership, clusters, the latency map.
 * Each part runs the product's own state machines on a matrix of round trips, by seed.
 */
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { readLatencyMatrix } from '../../src/simulation/index.ts'
import type { Bench, BenchOptions } from '../bench.ts'
import { describeMachine, describeVersions } from '../machine.ts'
import type { Report } from '../report.ts'
import { coordinateChecks, type NamedMatrix } from './coordinates.ts'
import { federationChecks } from './federation.ts'
import { latencyMapChecks } from './latency-map.ts'
import { membershipChecks } from './membership.ts'
import { syntheticMatrix } from './synthetic-matrix.ts'

const root = join(import.meta.dirname, '..', '..')
const dataFolder = join(root, '..', 'shared', 'data')
const planetLab = join(dataFolder, 'latency', 'planetlab_490_slice01.tsv.gz')
const syntheticSeed = 3

const fullFederation = {
  clusterMinutes: 10,
  healingMinutes: 10,
  partitions: 3,
  largeNodes: 10_000,
  largeMinutes: 10,
}
const quickFederation = {
  clusterMinutes: 1,
  healingMinutes: 3,
  partitions: 1,
  largeNodes: 200,
  largeMinutes: 1,
}

export const meshBench: Bench = {
  name: 'mesh',
  summary: 'who is near and who is alive: coordinates, membership, clusters, simulated by seed',
  options: {
    latency: { type: 'string' },
    seed: { type: 'string' },
    'large-nodes': { type: 'string' },
  },
  optionsHelp: [
    '--latency FILE   square matrix of round trips in ms, tab-separated, also gzipped;',
    '                 unless told, PlanetLab’s in ../shared/data/latency, if it is there',
    '--seed S         the first of the seeds; 1 unless told',
    '--large-nodes N  nodes of the large federation; 10000 unless told, which takes some minutes',
  ],
  run: async (options, print) => run(options, print),
}

async function run(options: BenchOptions, print: (line: string) => void): Promise<Report> {
  const isQuick = options['quick'] === true
  const firstSeed = seedOf(options['seed'])
  const measured = measuredMatrix(options['latency'], print)
  const synthetic = {
    name: `synthetic, seed ${syntheticSeed}`,
    matrix: syntheticMatrix(isQuick ? 100 : 300, syntheticSeed),
  }
  const matrices = measured === undefined ? [synthetic] : [measured, synthetic]
  const seeds = Array.from({ length: isQuick ? 1 : 3 }, (_, index) => firstSeed + index)
  const coordinates = coordinateChecks(
    matrices,
    { options: { seeds, seconds: 60 }, judged: measured?.name },
    print,
  )
  const membership = membershipChecks(
    measured ?? synthetic,
    isQuick
      ? { seeds, crashesPerSeed: 3, stallMinutes: 1, lossMinutes: 1 }
      : { seeds, crashesPerSeed: 40, stallMinutes: 5, lossMinutes: 60 },
    print,
  )
  const plan = isQuick ? quickFederation : fullFederation
  const largeNodes = largeNodesOf(options['large-nodes'] ?? plan.largeNodes)
  const federation = await federationChecks(
    measured ?? synthetic,
    { ...plan, seed: firstSeed, largeNodes },
    print,
  )
  const latencyMap = await latencyMapChecks(dataFolder, firstSeed, print)
  const context = {
    machine: describeMachine(),
    versions: describeVersions([]),
    seeds,
    matrices: matrices.map(({ name }) => name),
    coordinates: coordinates.rows,
    membership: membership.context,
    federation: federation.context,
  }
  return {
    bench: 'mesh',
    checks: [...coordinates.checks, ...membership.checks, ...federation.checks, ...latencyMap],
    context,
  }
}

function seedOf(text: unknown): number {
  const seed = Number(text ?? 1)
  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31) return seed
  throw new Error(`--seed is a whole number from 0, not “${String(text)}”`)
}

function largeNodesOf(given: unknown): number {
  const nodes = Number(given)
  if (Number.isInteger(nodes) && nodes >= 10 && nodes <= 100_000) return nodes
  throw new Error(`--large-nodes is a whole number from 10 to 100000, not “${String(given)}”`)
}

function measuredMatrix(option: unknown, print: (line: string) => void): NamedMatrix | undefined {
  const path = typeof option === 'string' ? option : planetLab
  if (typeof option !== 'string' && !existsSync(path)) {
    print(`There is no ${path}: only synthetic round trips are used. --latency FILE names another.`)
    return undefined
  }
  const matrix = readLatencyMatrix(readFileSync(path), path)
  print(`Round trips between ${matrix.sites} sites from ${path}`)
  for (const note of matrix.notes) print(`  ${note}`)
  print('')
  return { name: basename(path), matrix }
}
