/**
 * The one table of rooms: which room may import which, besides `base` and `protocol`.
 *
 * `.dependency-cruiser.cjs` makes its rules from it, `tools/tidy.ts` knows the rooms by it, and a
 * test holds ARCHITECTURE.md to it. CommonJS, because dependency-cruiser reads its configuration
 * that way.
 *
 * @type {Readonly<Record<string, readonly string[]>>}
 */
const rooms = {
  base: [],
  protocol: ['base'],
  transport: ['base', 'protocol'],
  mesh: ['base', 'protocol', 'transport'],
  simulation: ['base', 'protocol', 'mesh', 'evidence', 'routing'],
  models: ['base', 'protocol'],
  engine: ['base', 'protocol', 'models'],
  evidence: ['base', 'protocol'],
  routing: ['base', 'protocol', 'evidence', 'models'],
  ledger: ['base', 'protocol'],
  storage: ['base', 'protocol', 'evidence', 'routing', 'ledger'],
  telemetry: ['base', 'protocol'],
  node: ['base', 'protocol', 'transport', 'mesh', 'models', 'engine', 'telemetry'],
  gateway: [
    'base',
    'protocol',
    'transport',
    'mesh',
    'models',
    'evidence',
    'routing',
    'ledger',
    'telemetry',
  ],
  cli: [
    'base',
    'protocol',
    'transport',
    'mesh',
    'simulation',
    'models',
    'engine',
    'evidence',
    'routing',
    'ledger',
    'storage',
    'telemetry',
    'node',
    'gateway',
  ],
}

module.exports = { rooms }
