/**
 * Node's HTTP without its client side for browsers' interfaces. `import … from 'node:http'` reads
 * every export once, also `WebSocket`, whose getter loads undici, fetch and web streams: 3 MB of a
 * gateway, which never calls them. Only types may be imported from `node:http` itself.
 */
export const { createServer, IncomingMessage, ServerResponse, STATUS_CODES } =
  process.getBuiltinModule('node:http')
