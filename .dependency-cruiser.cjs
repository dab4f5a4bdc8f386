// The rules between rooms, made from the one table in tools/rooms.cjs; tools/rooms.test.ts shows
// that each one bites. swc reads the sources, because TypeScript 7 has no JavaScript interface.
const { rooms } = require('./tools/rooms.cjs')

/** Tests may import what they need, and nothing else may import them. */
const testFiles = '\\.(test|contract|fixture)\\.ts$'
/** Declarations beside generated JavaScript: the compiler finds them, no import names them. */
const generatedTypes = '/generated/[^/]+\\.d\\.ts$'
/** Where reading starts: the doors, the commands, and what a command starts as a process. */
const entries = `^(${[
  'src/([^/]+/index|cli/main)',
  'bench/(simulate/)?main',
  'bench/(gateway/mock|faults/failing)-openai',
].join('|')})\\.ts$`
const allowedRooms = (room) => [room, ...rooms[room]].join('|')

/** A rule per room: it imports only the rooms that the table allows. */
const roomRules = Object.keys(rooms).map((room) => ({
  name: `room-${room}`,
  comment: `${room} may import only: ${rooms[room].join(', ') || 'no other'} (tools/rooms.cjs)`,
  severity: 'error',
  from: { path: `^src/${room}/`, pathNot: testFiles },
  to: { path: '^(src|bench|tools)/', pathNot: `^src/(${allowedRooms(room)})/` },
}))

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...roomRules,
    {
      name: 'only-through-doors',
      comment:
        'another room is entered by its index.ts: what lies behind the door may change freely',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: testFiles },
      to: { path: '^src/[^/]+/', pathNot: '^src/($1/|[^/]+/index\\.ts$)' },
    },
    {
      name: 'tools-and-benches-through-doors',
      comment: 'tools/ and bench/ are guests like any other room; cli, the top, has no door',
      severity: 'error',
      from: { path: '^(bench|tools)/', pathNot: testFiles },
      to: { path: '^src/[^/]+/', pathNot: '^src/(cli/|[^/]+/index\\.ts$)' },
    },
    {
      name: 'node-and-gateway-apart',
      comment: 'between node and gateway is the wire, also in tests',
      severity: 'error',
      from: { path: '^src/(node|gateway)/' },
      to: { path: '^src/(node|gateway)/', pathNot: '^src/$1/' },
    },
    {
      name: 'no-cycles',
      comment: 'a cycle (of types too): two files are one, or an interface is in the wrong place',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'no door and no command leads to this file: connect it or delete it',
      severity: 'error',
      from: { path: entries },
      to: {
        path: '^(src|bench)/',
        pathNot: [testFiles, entries, generatedTypes],
        reachable: false,
      },
    },
    {
      name: 'http-without-fetch',
      comment: "import of 'node:http' loads fetch too (3 MB): src/gateway/http/node-http.ts",
      severity: 'error',
      from: { path: '^src/', pathNot: testFiles },
      to: { path: '^(node:)?http$', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-tests-in-production',
      comment: 'what ships does not import tests',
      severity: 'error',
      from: { pathNot: testFiles },
      to: { path: testFiles },
    },
    {
      name: 'no-unresolvable',
      comment: 'the imported file or package does not exist',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-packages-in-production',
      comment: 'src/ runs with the packages under `dependencies` alone',
      severity: 'error',
      from: { path: '^src/', pathNot: testFiles },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-undeclared-packages',
      comment: 'a package that package.json does not name is there only by chance',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(bench/peers|tools/reference-model)/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['node', 'import', 'require', 'types'],
      extensions: ['.ts', '.js', '.cjs'],
    },
  },
}
