/**
 * For the contract test: two transports, the connection between them, and streams taken at its
 * other end.
 */
import type { NodeId } from '../protocol/index.ts'
import type { Connection, Stream, Transport, TransportEvents } from './transport.ts'

export interface TransportWorld {
  /** A new transport with an identity of its own. */
  transport(events: TransportEvents): Transport
  /** Makes a connection ready for the tests. */
  prepare?(connection: Connection): Promise<void>
  /** A valid id that is nobody's here. */
  readonly strangersId: NodeId
  /** Breaks the connection as a dying process or network would: without a goodbye. */
  sever(dialled: Connection, accepted: Connection): void
  close(): Promise<void>
}

/** Both ends of one connection, and the streams that each end was offered. */
export interface Pair {
  readonly dialler: Transport
  readonly listener: Transport
  readonly dialled: Connection
  readonly accepted: Connection
  /** Opens a stream from the dialler's side and takes it at the other. */
  streams(): Promise<{ opened: Stream; taken: Stream }>
  /** The same in the other direction. */
  reverseStreams(): Promise<{ opened: Stream; taken: Stream }>
}

/** Streams that a connection was offered and nobody has taken yet, by connection. */
const offered = new WeakMap<Connection, { queue: Stream[]; wake: (() => void) | undefined }>()

export async function makePair(world: TransportWorld): Promise<Pair> {
  const accepting = Promise.withResolvers<Connection>()
  const listener = world.transport({ onStream: serve, onConnection: accepting.resolve })
  const dialler = world.transport({ onStream: serve })
  const { address } = await listener.listen('127.0.0.1:0')
  const dialled = await dialler.dial(address, listener.self)
  const accepted = await accepting.promise
  for (const connection of [dialled, accepted]) await world.prepare?.(connection)
  const streams = async (from: Connection, to: Connection) => ({
    opened: await from.open({ ':path': '/contract.v1.Test/Take', take: '' }),
    taken: await takeNext(to),
  })
  return {
    dialler,
    listener,
    dialled,
    accepted,
    streams: () => streams(dialled, accepted),
    reverseStreams: () => streams(accepted, dialled),
  }
}

/** `take`: the test takes it; `hold`: left until the opener ends; otherwise echoed. */
function serve(stream: Stream, connection: Connection): void {
  if ('take' in stream.metadata) {
    const entry = offeredTo(connection)
    entry.queue.push(stream)
    entry.wake?.()
  } else {
    void echo(stream, 'hold' in stream.metadata).catch(() => {})
  }
}

async function echo(stream: Stream, silent: boolean): Promise<void> {
  for await (const batch of stream.messages()) {
    for (const message of batch) if (!silent) await stream.send(message)
  }
  await stream.end()
}

function offeredTo(connection: Connection) {
  let entry = offered.get(connection)
  if (entry === undefined) {
    entry = { queue: [], wake: undefined }
    offered.set(connection, entry)
  }
  return entry
}

export async function takeNext(connection: Connection): Promise<Stream> {
  const entry = offeredTo(connection)
  for (;;) {
    const stream = entry.queue.shift()
    if (stream !== undefined) return stream
    await new Promise<void>((resolve) => {
      entry.wake = resolve
    })
  }
}
