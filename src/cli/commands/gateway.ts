/** `isochrone gateway`: where clients enter. */
import { defineCommand } from '../options/command.ts'
import { integer, list, switchedOff, text } from '../options/option.ts'
import {
  clusterBoundOption,
  configOption,
  dataOption,
  emulatedPathOption,
  jsonOption,
  locationOption,
  logLevelOption,
  networkOption,
  policyOption,
  regionOption,
  upstreamKeyOption,
} from '../options/recurring.ts'

export const gatewayCommand = defineCommand({
  name: 'gateway',
  summary: 'run a gateway: OpenAI clients in front, nodes behind',
  options: {
    host: text('address to listen at for clients', { default: '127.0.0.1', placeholder: 'HOST' }),
    port: integer('port for clients; 0 takes a free one', {
      default: 8080,
      min: 0,
      max: 65_535,
      placeholder: 'PORT',
    }),
    'mesh-host': text('address to listen at for nodes', {
      default: '127.0.0.1',
      placeholder: 'HOST',
    }),
    'mesh-port': integer('port for nodes; 0 takes a free one', {
      default: 7400,
      min: 0,
      max: 65_535,
      placeholder: 'PORT',
    }),
    'cluster-bound-ms': clusterBoundOption,
    'mesh-advertise': text('address told to nodes, where it is not the one listened at', {
      placeholder: 'HOST:PORT',
      defaultText: 'the address listened at',
    }),
    data: dataOption,
    network: networkOption,
    region: regionOption,
    location: locationOption,
    token: text('what nodes have to know to join; better given as a variable', {
      placeholder: 'TOKEN',
      defaultText: 'made once and kept in the data folder',
    }),
    policy: policyOption,
    upstream: list('an OpenAI-compatible server to use without a node; repeatable', 'NAME=URL'),
    'upstream-key': upstreamKeyOption,
    auth: switchedOff('serve whoever reaches the port, without API keys', 'a key is asked for'),
    'body-bytes-max': integer('largest request', {
      default: 7 * 1024 * 1024,
      min: 1024,
      max: 7 * 1024 * 1024,
      placeholder: 'BYTES',
    }),
    'requests-per-minute': integer('requests per minute and key, where the key has no limit', {
      default: 1_000_000,
      min: 1,
      max: 1_000_000_000,
      placeholder: 'N',
    }),
    'tokens-per-minute': integer('tokens per minute and key, where the key has no limit', {
      default: 1_000_000_000,
      min: 1,
      max: 1_000_000_000_000,
      placeholder: 'N',
    }),
    'requests-in-flight-max': integer('requests under way in the whole gateway', {
      default: 4096,
      min: 1,
      max: 100_000,
      placeholder: 'N',
    }),
    'total-timeout-ms': integer('longest time for one answer, all attempts together', {
      default: 600_000,
      min: 100,
      max: 86_400_000,
      placeholder: 'MS',
    }),
    'first-token-timeout-ms': integer('wait for the first token, then try the next node', {
      default: 30_000,
      min: 100,
      max: 3_600_000,
      placeholder: 'MS',
    }),
    'emulated-path': emulatedPathOption,
    'log-level': logLevelOption,
    json: jsonOption,
    config: configOption,
  },
  examples: [
    { command: 'isochrone gateway', meaning: 'prints the line with which nodes join' },
    {
      command: 'isochrone gateway --mesh-host 0.0.0.0 --mesh-port 7400',
      meaning: 'nodes on other machines may join',
    },
    {
      command: 'isochrone gateway --upstream vllm=http://127.0.0.1:8000/v1',
      meaning: 'use a server without a node in front of it',
    },
  ],
  run: async (input, context) => {
    const { runGateway } = await import('../compose/gateway.ts')
    return runGateway(input.options, context)
  },
})
