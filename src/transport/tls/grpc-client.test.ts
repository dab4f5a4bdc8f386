/** A standard gRPC client, `@grpc/grpc-js`, against this transport. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'
import { secureRandom, silentLog, systemClock } from '../../base/index.ts'
import { createIdentity, IsochroneError } from '../../protocol/index.ts'
import { healthHandler } from '../calls/health.ts'
import { type CallHandler, serveCalls } from '../calls/incoming.ts'
import type { Connection } from '../transport.ts'
import { createCredentials } from './certificate.ts'
import { createTlsTransport, type TlsTransport } from './tls-transport.ts'

/** grpc/health/v1/health.proto, as protobufjs's JSON. */
const healthProto = {
  nested: {
    grpc: {
      nested: {
        health: {
          nested: {
            v1: {
              nested: {
                HealthCheckRequest: { fields: { service: { type: 'string', id: 1 } } },
                HealthCheckResponse: {
                  fields: { status: { type: 'ServingStatus', id: 1 } },
                  nested: {
                    ServingStatus: { values: { UNKNOWN: 0, SERVING: 1, NOT_SERVING: 2 } },
                  },
                },
                Health: {
                  methods: {
                    Check: {
                      requestType: 'HealthCheckRequest',
                      responseType: 'HealthCheckResponse',
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
}

/** Its type wants `fields` on namespaces too; protobufjs does not. */
type ProtoJson = Parameters<typeof fromJSON>[0]

/** A throw-away certificate with a key on P-256, made for this test. */
const otherCertificate = `-----BEGIN CERTIFICATE-----
MIIBcDCCARWgAwIBAgIUabGzm77h1P2f0bjOpx2c3s8VKxEwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAgFw0yNjExMjEwMzM5MTlaGA8yMTI2MTAyODAzMzkxOVow
DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDY1c/0P58sR
bHBLmaby/f4m0hYZRA9AlzC+VaFwrxYzIDWf68ULi95ln9c/Q7P8n+UIpMwnit+F
xvKIeJ/4idKjUzBRMB0GA1UdDgQWBBQ7IqS+tGORDL2QZ+3G5Nr3xHKhlDAfBgNV
HSMEGDAWgBQ7IqS+tGORDL2QZ+3G5Nr3xHKhlDAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0kAMEYCIQDWXWIs8ekvGUCDJC0fO2oIHQr0VH+VQX5bLwkgWlOl
FQIhAJJcMtNJgurpNTGau4IzR7fS1KxvFQDk/qJW2FO/NlsM
-----END CERTIFICATE-----
`
const otherKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYCoEs7LN4Fu6ofo3
gOCxv94kxgCQ5/cKZTbanf7Sel6hRANCAAQ2NXP9D+fLEWxwS5mm8v3+JtIWGUQP
QJcwvlWhcK8WMyA1n+vFC4veZZ/XP0Oz/J/lCKTMJ4rfhcbyiHif+InS
-----END PRIVATE KEY-----
`

const raw = (bytes: Buffer) => bytes

describe('a standard gRPC client', () => {
  it('gets SERVING from grpc.health.v1.Health/Check, with the key pinned', async () => {
    await withServer({}, async ({ address, server, credentials }) => {
      const definition = fromJSON(healthProto as unknown as ProtoJson, { enums: String })
      const Health = definition['grpc.health.v1.Health']
      assert.ok(Health !== undefined && !('format' in Health))
      const Client = grpc.makeClientConstructor(Health as grpc.ServiceDefinition, 'Health')
      const pinned = { 'grpc.ssl_target_name_override': server.self }
      const client = new Client(address, credentials, pinned)
      const answer = await new Promise((resolve, reject) => {
        client['Check']?.({ service: '' }, (error: Error | null, value: unknown) =>
          error === null ? resolve(value) : reject(error),
        )
      })
      client.close()
      assert.deepEqual(answer, { status: 'SERVING' })
    })
  })

  it('streams, sees statuses and messages, and is a peer that takes no calls', async () => {
    let connection: Connection | undefined
    const handlers: Record<string, CallHandler> = {
      '/t.T/Echo': async (call) => {
        connection = call.connection
        for await (const batch of call.requests()) {
          for (const message of batch) await call.send(message)
        }
      },
      '/t.T/Fail': async () => {
        throw new IsochroneError('all_nodes_busy', 'später, 100 %')
      },
    }
    await withServer(handlers, async ({ address, server, credentials }) => {
      const pinned = { 'grpc.ssl_target_name_override': server.self }
      const client = new grpc.Client(address, credentials, pinned)
      const echo = client.makeBidiStreamRequest('/t.T/Echo', raw, raw)
      const received: number[] = []
      echo.on('data', (bytes: Buffer) => received.push(bytes.length))
      for (const length of [0, 1, 100_000]) echo.write(Buffer.alloc(length))
      echo.end()
      const status = await new Promise<grpc.StatusObject>((resolve) => echo.on('status', resolve))
      assert.deepEqual(received, [0, 1, 100_000])
      assert.equal(status.code, grpc.status.OK)
      const failed = await new Promise<grpc.ServiceError | null>((resolve) => {
        client.makeUnaryRequest('/t.T/Fail', raw, raw, Buffer.alloc(0), resolve)
      })
      assert.equal(failed?.code, grpc.status.RESOURCE_EXHAUSTED)
      assert.equal(failed?.details, 'später, 100 %')
      assert.deepEqual(failed?.metadata.get('isochrone-code'), ['all_nodes_busy'])
      await assert.rejects(connection?.open({}) ?? Promise.resolve(), /takes no calls/)
      client.close()
    })
  })

  it('is refused without a certificate, and with one of another kind of key', async () => {
    await withServer({}, async ({ address, server }) => {
      const roots = Buffer.from(server.certificate)
      const pinned = { 'grpc.ssl_target_name_override': server.self }
      const without = grpc.credentials.createSsl(roots)
      const other = [Buffer.from(otherKey), Buffer.from(otherCertificate)] as const
      for (const refused of [without, grpc.credentials.createSsl(roots, ...other)]) {
        const client = new grpc.Client(address, refused, pinned)
        const failed = await new Promise<grpc.ServiceError | null>((resolve) => {
          const path = '/grpc.health.v1.Health/Check'
          client.makeUnaryRequest(path, raw, raw, Buffer.alloc(0), resolve)
        })
        client.close()
        assert.equal(failed?.code, grpc.status.UNAVAILABLE)
      }
    })
  })
})

interface Served {
  readonly address: string
  readonly server: TlsTransport
  readonly credentials: grpc.ChannelCredentials
}

async function withServer(
  handlers: Record<string, CallHandler>,
  body: (served: Served) => Promise<void>,
): Promise<void> {
  const modules = { log: silentLog, clock: systemClock, random: secureRandom }
  const health = { '/grpc.health.v1.Health/Check': healthHandler(() => true) }
  const onStream = serveCalls({ ...health, ...handlers }, modules)
  const server = createTlsTransport({ identity: createIdentity(), ...modules }, { onStream })
  const { address } = await server.listen('127.0.0.1:0')
  const own = createCredentials(createIdentity())
  const credentials = grpc.credentials.createSsl(
    Buffer.from(server.certificate),
    Buffer.from(own.privateKey),
    Buffer.from(own.certificate),
  )
  try {
    await body({ address, server, credentials })
  } finally {
    await server.close()
  }
}
